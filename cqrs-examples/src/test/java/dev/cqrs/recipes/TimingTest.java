package dev.cqrs.recipes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.interceptor.InterceptorOrder;
import dev.cqrs.interceptor.Observation;
import dev.cqrs.message.Done;
import io.micrometer.core.instrument.MockClock;
import io.micrometer.core.instrument.simple.SimpleConfig;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class TimingTest {

    record Print(int pages) implements Command<Done> {}

    @Test
    void micrometer_times_each_message_by_its_class_and_outcome() {
        var clock = new MockClock();
        var registry = new SimpleMeterRegistry(SimpleConfig.DEFAULT, clock);
        var bus = InMemoryCommandBus.builder()
                .run(Print.class, print -> {
                    clock.add(Duration.ofMillis(print.pages()));
                    if (print.pages() > 10) {
                        throw new IOException("no paper");
                    }
                })
                .intercept(InterceptorOrder.OBSERVATION, Observation.of(new Timing(registry), thrown -> {
                    throw new AssertionError(thrown);
                }))
                .build();

        bus.dispatch(new Print(3));
        bus.dispatch(new Print(4));
        assertThatThrownBy(() -> bus.dispatch(new Print(11))).hasRootCauseMessage("no paper");

        var good = registry.get("cqrs.message")
                .tags("type", "Print", "outcome", "success")
                .timer();
        assertThat(good.count()).isEqualTo(2);
        assertThat(good.totalTime(TimeUnit.MILLISECONDS)).isEqualTo(7);
        var bad = registry.get("cqrs.message").tags("outcome", "IOException").timer();
        assertThat(bad.count()).isEqualTo(1);
        assertThat(bad.totalTime(TimeUnit.MILLISECONDS)).isEqualTo(11);
    }
}
