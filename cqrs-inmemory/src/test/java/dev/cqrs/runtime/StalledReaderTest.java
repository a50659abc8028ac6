package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.Projection;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A reader that stands still costs no memory, however much is appended: the log is the queue. */
@Timeout(600)
class StalledReaderTest {

    private static final int APPENDS = Integer.getInteger("dev.cqrs.runtime.appends", 1_000_000);

    record Noted(int number) {}

    @Test
    void a_reader_that_stands_still_holds_one_task_and_no_event() {
        var log = new InMemoryEventStore(
                Catalog.builder().event("noted", Noted.class).build(), Clock.systemUTC());
        var count = Projection.of("count", 1, Fold.from(0).on(Noted.class, (n, e) -> n + 1));
        var tasks = new ArrayList<Runnable>();
        var engine = ProjectionEngine.builder(log, failure -> {})
                .background(count, tasks::add)
                .build();
        var noted = new Noted(1);
        var batch = Collections.nCopies(10, noted);
        for (int i = 0; i < APPENDS; i++) {
            if (i % 2 == 0) {
                log.append(List.of(noted), AppendCondition.none());
            } else {
                log.append(batch, AppendCondition.none());
            }
        }
        assertThat(tasks).hasSize(1);
        assertThat(engine.view(count).status().lag()).isEqualTo(log.head().value());
        long stalled = used();

        tasks.get(0).run();
        for (int i = 1; i < tasks.size(); i++) {
            tasks.get(i).run();
        }
        assertThat(engine.view(count).<Integer>read(n -> n))
                .isEqualTo(log.head().value());
        engine.close();
        tasks.clear();

        assertThat(stalled - used()).as("bytes that only the reader held").isLessThan(1 << 20);
        assertThat(log.head().value()).isEqualTo(APPENDS / 2 * 11L);
    }

    private static long used() {
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 3; i++) {
            System.gc();
            least = Math.min(
                    least,
                    Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory());
        }
        return least;
    }
}
