package dev.cqrs.examples.choreography;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.examples.choreography.Choreography.MoneyCame;
import dev.cqrs.examples.choreography.Choreography.OrderPlaced;
import dev.cqrs.examples.choreography.Choreography.Tell;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.saga.SagaScenario;
import dev.cqrs.testing.SeededScheduler;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class ChoreographyTest {

    @Test
    void what_is_paid_is_shipped_and_what_is_not_is_reminded_of_and_put_back() {
        var scheduler = new SeededScheduler(1);
        var domain = new InMemoryEventStore(Choreography.domain(), scheduler.clock());
        try (var engine = Choreography.engine(domain, scheduler.clock())) {
            engine.start(Choreography.bus(domain), scheduler, scheduler::schedule, failure -> {});
            domain.append(
                    List.of(new OrderPlaced("o-1"), new OrderPlaced("o-2"), new MoneyCame("o-1")),
                    AppendCondition.none());
            scheduler.runAll();
        }
        assertThat(Choreography.told(domain, "o-1"))
                .containsExactlyInAnyOrder("customer: please pay", "packer: pack and ship");
        assertThat(Choreography.told(domain, "o-2"))
                .containsExactlyInAnyOrder(
                        "customer: please pay",
                        "customer: you have not paid",
                        "lawyer: over to you",
                        "packer: put it back");
    }

    @Test
    void the_program_ends() throws InterruptedException {
        var text = new ByteArrayOutputStream();
        Choreography.run(new PrintStream(text, true, StandardCharsets.UTF_8));
        assertThat(text.toString(StandardCharsets.UTF_8))
                .contains("o-1\n  customer: please pay\n", "o-2\n  customer: please pay\n");
    }

    @Test
    void each_is_tested_alone() {
        SagaScenario.of(Choreography.BILLING)
                .given(new OrderPlaced("o"))
                .whenAnsweredBy(command -> "told")
                .whenTimePasses(Duration.ofSeconds(1))
                .thenCommands(new Tell("o", "customer: you have not paid"), new Tell("o", "lawyer: over to you"));
        SagaScenario.of(Choreography.WAREHOUSE)
                .given(new OrderPlaced("o"))
                .when(new MoneyCame("o"))
                .thenCommands(new Tell("o", "packer: pack and ship"))
                .whenAnsweredBy(command -> "told")
                .thenState(State.COMPLETED);
    }
}
