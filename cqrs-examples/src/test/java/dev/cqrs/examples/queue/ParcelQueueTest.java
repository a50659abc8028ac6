package dev.cqrs.examples.queue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.examples.Postgres;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class ParcelQueueTest {

    @Test
    @Timeout(value = 3, unit = TimeUnit.MINUTES)
    void what_a_killed_worker_has_left_is_packed_by_the_other() throws Exception {
        var text = new ByteArrayOutputStream();
        try (var server = Postgres.start()) {
            ParcelQueue.run(
                    server.getJdbcUrl("postgres", "postgres"), new PrintStream(text, true, StandardCharsets.UTF_8));
        }
        var lines = text.toString(StandardCharsets.UTF_8).lines().toList();
        assertThat(lines).startsWith("ordered 120 parcels of 6 customers", "killed worker-1");
        assertThat(lines).contains("c-1: 20 parcels, each packed once and in order: true");
        assertThat(lines).filteredOn(line -> line.endsWith("in order: true")).hasSize(6);
        assertThat(lines.stream()
                        .filter(line -> line.contains(" SUCCEEDED: "))
                        .mapToInt(line -> Integer.parseInt(line.replaceAll(".* ", "")))
                        .sum())
                .isEqualTo(120);
        assertThat(lines).anyMatch(line -> line.startsWith("worker-1 SUCCEEDED: "));
        assertThat(lines).anyMatch(line -> line.startsWith("worker-2 SUCCEEDED: "));
        assertThat(lines).noneMatch(line -> line.contains("REJECTED") || line.contains("FAILED"));
    }
}
