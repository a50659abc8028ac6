package dev.cqrs.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

class WaitsTest {

    record Happened(int number) {}

    private static final Duration FOR_EVER = Duration.ofSeconds(Long.MAX_VALUE);

    private final EventStore log = new InMemoryEventStore(
            Catalog.builder().event("happened", Happened.class).build(), Clock.systemUTC());

    private void append() {
        log.append(List.of(new Happened(1)), AppendCondition.none());
    }

    private long head() {
        return log.head().value();
    }

    @Test
    void a_time_of_any_length_is_one_to_wait() {
        assertThat(Waits.nanos(Duration.ofNanos(7))).isEqualTo(7);
        assertThat(Waits.nanos(FOR_EVER)).isGreaterThan(TimeUnit.DAYS.toNanos(36_500));
        assertThat(Waits.nanos(FOR_EVER.negated())).isZero();
        assertThat(Waits.nanos(Duration.ZERO)).isZero();
    }

    @Test
    void no_time_means_to_look_once() throws Exception {
        for (var none : List.of(Duration.ZERO, Duration.ofNanos(-1), FOR_EVER.negated())) {
            var looks = new AtomicInteger();
            assertThat(Waits.forAppends(log, none, looks::incrementAndGet, seen -> false))
                    .isEqualTo(1);
        }
    }

    @Test
    void what_is_appended_while_it_is_looked_at_is_not_missed() throws Exception {
        // given a look after whose reading, and before whose end, there is an append
        Supplier<Long> look = () -> {
            long seen = head();
            if (seen < 3) {
                append();
            }
            return seen;
        };

        // when, then
        assertThat(Waits.forAppends(log, FOR_EVER, look, seen -> seen == 3)).isEqualTo(3);
    }

    @Test
    void an_append_of_another_thread_wakes_who_waits() throws Exception {
        var looked = new CountDownLatch(1);
        var appender = new Thread(() -> {
            try {
                looked.await();
            } catch (InterruptedException impossible) {
                throw new IllegalStateException(impossible);
            }
            append();
        });
        appender.start();

        long seen = Waits.forAppends(
                log,
                FOR_EVER,
                () -> {
                    long now = head();
                    looked.countDown();
                    return now;
                },
                now -> now == 1);

        assertThat(seen).isEqualTo(1);
        appender.join();
    }

    @Test
    void what_nobody_tells_of_is_looked_at_when_the_time_is_over() throws Exception {
        var looks = new AtomicInteger();

        assertThat(Waits.forAppends(log, Duration.ofNanos(1), looks::incrementAndGet, seen -> false))
                .isEqualTo(2);
    }

    @Test
    void it_looks_at_the_beginning_and_at_the_end_and_between_only_where_that_may_help() throws Exception {
        // given a log to which something is appended whenever it is asked whether to look, until the fifth
        var asked = new ArrayList<Position>();
        var looks = new AtomicInteger();

        // when
        int seen = Waits.forAppends(
                log,
                Duration.ofMillis(5),
                told -> {
                    asked.add(told);
                    if (asked.size() < 5) {
                        append();
                    }
                    return asked.size() == 3;
                },
                () -> {
                    if (looks.incrementAndGet() == 1) {
                        append();
                    }
                    return looks.get();
                },
                enough -> false);

        // then
        assertThat(asked)
                .startsWith(Position.of(1), Position.of(2), Position.of(3))
                .isSorted();
        assertThat(seen).isEqualTo(3);
    }

    @Test
    void the_time_is_over_some_day_also_on_a_log_that_is_never_quiet() throws Exception {
        // given a log to which something is appended during each look
        var looks = new AtomicInteger();
        Supplier<Integer> look = () -> {
            append();
            int seen = looks.incrementAndGet();
            assertThat(seen).as("looks within a few milliseconds of waiting").isLessThan(100_000);
            return seen;
        };

        // when, then
        assertThat(Waits.forAppends(log, Duration.ofMillis(3), look, seen -> false))
                .isEqualTo(looks.get());
    }

    @Test
    void on_a_log_that_is_never_quiet_it_looks_ever_more_seldom_as_a_look_may_take_longer_than_the_wait()
            throws Exception {
        var looks = new AtomicInteger();
        Supplier<Integer> look = () -> {
            append();
            return looks.incrementAndGet();
        };

        Waits.forAppends(log, Duration.ofMillis(300), look, seen -> false);

        // 16 at once, 16 after 1 ms each, 16 after 2, 16 after 4 and 12 after 8 or more: with 1 ms each they would be
        // 316
        assertThat(looks.get()).isBetween(2, 100);
    }

    @Test
    void what_a_look_throws_and_an_interrupt_end_it_and_nobody_follows_the_log_any_more() {
        var broken = new IllegalStateException("no");
        var looks = new AtomicInteger();
        assertThatThrownBy(() -> Waits.forAppends(
                        log,
                        FOR_EVER,
                        () -> {
                            looks.incrementAndGet();
                            throw broken;
                        },
                        seen -> true))
                .isSameAs(broken);

        assertThatThrownBy(() -> Waits.forAppends(
                        log,
                        FOR_EVER,
                        () -> {
                            Thread.currentThread().interrupt();
                            return looks.incrementAndGet();
                        },
                        seen -> false))
                .isInstanceOf(InterruptedException.class);

        append();
        assertThat(looks).hasValue(2);
    }
}
