package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.ServerSocket;
import org.junit.jupiter.api.Test;

class PortsTest {

    /** From where on Linux gives ports to connections; other systems begin higher. */
    private static final int OF_CONNECTIONS = 32_768;

    @Test
    void a_port_is_none_that_a_connection_may_be_given_before_the_server_listens() throws IOException {
        for (int i = 0; i < 100; i++) {
            assertThat(Ports.free()).isLessThan(OF_CONNECTIONS);
        }
    }

    @Test
    void a_port_that_is_taken_is_passed_over() throws IOException {
        try (var taken = new ServerSocket(Ports.free())) {
            for (int i = 0; i < Ports.COUNT; i++) { // once round
                assertThat(Ports.free()).isNotEqualTo(taken.getLocalPort());
            }
        }
    }
}
