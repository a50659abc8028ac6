package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.Projection;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.concurrent.TimeUnit;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the flight recorder is told, and that nobody misses it where it is not there. */
@Timeout(300)
class FlightTest {

    record Noted(int number) {}

    @Test
    void batches_failures_and_swaps_are_recorded(@TempDir Path folder) throws IOException {
        var file = folder.resolve("flight.jfr");
        try (var recording = new Recording()) {
            recording.start();
            work();
            recording.stop();
            recording.dump(file);
        }

        var events = RecordingFile.readAllEvents(file);
        assertThat(named(events, "dev.cqrs.ProjectionBatch")).anySatisfy(batch -> {
            assertThat(batch.getString("projection")).isEqualTo("count");
            assertThat(batch.getLong("from")).isEqualTo(0);
            assertThat(batch.getLong("to")).isEqualTo(2);
            assertThat(batch.getLong("events")).isEqualTo(2);
            assertThat(batch.getDuration()).as("how long it took").isPositive();
        });
        assertThat(named(events, "dev.cqrs.ProjectionFailure")).singleElement().satisfies(failure -> {
            assertThat(failure.getString("outcome")).isEqualTo("STOPPED");
            assertThat(failure.getString("cause")).contains("too great");
            assertThat(failure.getLong("position")).isEqualTo(3);
        });
        assertThat(named(events, "dev.cqrs.ProjectionSwapped")).singleElement().satisfies(swap -> {
            assertThat(swap.getString("projection")).isEqualTo("count");
            assertThat(swap.getInt("from")).isEqualTo(1);
            assertThat(swap.getInt("to")).isEqualTo(2);
            assertThat(swap.getLong("position"))
                    .as("where the old one has stopped")
                    .isEqualTo(2);
        });
    }

    private static List<RecordedEvent> named(List<RecordedEvent> events, String name) {
        return events.stream()
                .filter(event -> event.getEventType().getName().equals(name))
                .toList();
    }

    /** Also what the process without a recorder does. */
    private static void work() {
        var log = new InMemoryEventStore(
                Catalog.builder().event("noted", Noted.class).build(), Clock.systemUTC());
        var strict = Projection.of("count", 1, Fold.from(0).on(Noted.class, (n, e) -> {
            if (e.number() > 2) {
                throw new IllegalArgumentException("too great");
            }
            return n + 1;
        }));
        var count = Projection.of("count", 2, Fold.from(0).on(Noted.class, (n, e) -> n + 1));
        try (var engine =
                ProjectionEngine.builder(log, failure -> {}).inline(strict).build()) {
            log.append(List.of(new Noted(1), new Noted(2)), AppendCondition.none());
            log.append(List.of(new Noted(3)), AppendCondition.none());
            var rebuild = engine.rebuild(strict, count, Runnable::run, progress -> {});
            if (rebuild.progress().state() != Rebuild.State.SWAPPED
                    || engine.view(strict).<Integer>read(n -> n) != 3) {
                throw new IllegalStateException(rebuild.toString());
            }
        }
    }

    /** The process without a recorder. */
    static final class Without {
        private Without() {}

        public static void main(String[] arguments) {
            work();
            System.out.println(
                    "done, recorder " + ModuleLayer.boot().findModule("jdk.jfr").isPresent());
        }
    }

    @Test
    void an_engine_runs_in_a_java_that_has_no_flight_recorder() throws Exception {
        var process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--limit-modules",
                        "java.base",
                        "-cp",
                        String.join(
                                java.io.File.pathSeparator,
                                home(Fold.class),
                                home(ProjectionEngine.class),
                                home(FlightTest.class),
                                Path.of("target", "test-classes").toString()),
                        Without.class.getName())
                .redirectErrorStream(true)
                .start();
        String said;
        try (InputStream output = process.getInputStream()) {
            said = new String(output.readAllBytes(), StandardCharsets.UTF_8);
        }
        assertThat(process.waitFor(120, TimeUnit.SECONDS)).isTrue();
        assertThat(said.strip()).isEqualTo("done, recorder false");
        assertThat(process.exitValue()).isZero();
    }

    private static String home(Class<?> type) throws Exception {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI())
                .toString();
    }
}
