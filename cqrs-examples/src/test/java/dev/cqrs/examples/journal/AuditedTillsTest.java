package dev.cqrs.examples.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import org.junit.jupiter.api.Test;

class AuditedTillsTest {

    @Test
    void the_journal_tells_who_did_what_without_names_and_is_replayed() {
        var bytes = new ByteArrayOutputStream();

        AuditedTills.run(new PrintStream(bytes, true, StandardCharsets.UTF_8), Clock.systemUTC());

        assertThat(bytes.toString(StandardCharsets.UTF_8).lines())
                .containsExactly(
                        "All that happened, the newest first:",
                        "  c6 eva: Assign[till=south, name=***] FAILED, nobody is in charge of south",
                        "  c5 ben: PayOut[till=south, cents=9900] REJECTED, the till holds only 1000",
                        "  c4 ben: PayOut[till=north, cents=1500] SUCCEEDED",
                        "  c3 eva: PayIn[till=south, cents=1000] SUCCEEDED",
                        "  c2 ben: PayIn[till=north, cents=5000] SUCCEEDED",
                        "  c1 eva: Assign[till=north, name=***] SUCCEEDED",
                        "Rejected:",
                        "  c5 ben: PayOut[till=south, cents=9900] REJECTED, the till holds only 1000",
                        "Cannot be replayed: [\"assign\" with id c1 at position 1 is kept masked]",
                        "Replayed 3 money commands: {north=3500, south=1000}",
                        "As it was: true");
    }
}
