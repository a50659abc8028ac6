package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import dev.cqrs.projection.Projection;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/**
 * What the JDK's flight recorder is told, where the module {@code jdk.jfr} is there; where it is not, or nobody records,
 * nothing is made.
 */
final class Flight {

    private static final boolean THERE =
            ModuleLayer.boot().findModule("jdk.jfr").isPresent();

    private Flight() {}

    /** Gives something to hand to {@link #batch}; nothing if nobody records. */
    static @Nullable Object begin(Projection<?> projection) {
        return THERE ? Recorded.begin() : null;
    }

    static void batch(@Nullable Object begun, Projection<?> projection, Position from, Position to, long events) {
        if (begun != null) {
            Recorded.batch(begun, projection, from, to, events);
        }
    }

    static void failed(ProjectionFailure why, Projection<?> projection) {
        if (THERE) {
            Recorded.failed(why, projection);
        }
    }

    static void swapped(Projection<?> from, Projection<?> to, Position at) {
        if (THERE) {
            Recorded.swapped(from, to, at);
        }
    }

    /** All that knows the module's classes; loaded only where they are. */
    private static final class Recorded {

        private static final Batch BATCH = new Batch();

        private Recorded() {}

        static @Nullable Object begin() {
            if (!BATCH.isEnabled()) {
                return null;
            }
            var batch = new Batch();
            batch.begin();
            return batch;
        }

        static void batch(Object begun, Projection<?> projection, Position from, Position to, long events) {
            var batch = (Batch) begun;
            batch.end();
            if (batch.shouldCommit()) {
                batch.projection = projection.name();
                batch.version = projection.version();
                batch.from = from.value();
                batch.to = to.value();
                batch.events = events;
                batch.commit();
            }
        }

        static void failed(ProjectionFailure why, Projection<?> projection) {
            var failed = new Failed();
            if (failed.shouldCommit()) {
                failed.projection = projection.name();
                failed.version = projection.version();
                failed.position = why.position().value();
                failed.outcome = why.outcome().name();
                failed.cause = Follower.reason(why.cause());
                failed.commit();
            }
        }

        static void swapped(Projection<?> from, Projection<?> to, Position at) {
            var swapped = new Swapped();
            if (swapped.shouldCommit()) {
                swapped.projection = to.name();
                swapped.from = from.version();
                swapped.to = to.version();
                swapped.position = at.value();
                swapped.commit();
            }
        }
    }

    @Name("dev.cqrs.ProjectionBatch")
    @Label("Projection Batch")
    @Category({"CQRS", "Projection"})
    @Description("Events folded into a view, from one position of the log to another")
    @StackTrace(false)
    @SuppressWarnings("UnusedVariable") // the recorder reads them
    private static final class Batch extends Event {
        @Label("Projection")
        String projection = "";

        @Label("Version")
        int version;

        @Label("From Position")
        long from;

        @Label("To Position")
        long to;

        @Label("Events")
        long events;
    }

    @Name("dev.cqrs.ProjectionFailure")
    @Label("Projection Failure")
    @Category({"CQRS", "Projection"})
    @Description("An event, a store or an executor that a projection failed at, and what was made of it")
    @StackTrace(false)
    @SuppressWarnings("UnusedVariable") // the recorder reads them
    private static final class Failed extends Event {
        @Label("Projection")
        String projection = "";

        @Label("Version")
        int version;

        @Label("Position")
        long position;

        @Label("Outcome")
        String outcome = "";

        @Label("Cause")
        String cause = "";
    }

    @Name("dev.cqrs.ProjectionSwapped")
    @Label("Projection Swapped")
    @Category({"CQRS", "Projection"})
    @Description("A new version of a projection has taken the place of the one before")
    @StackTrace(false)
    @SuppressWarnings("UnusedVariable") // the recorder reads them
    private static final class Swapped extends Event {
        @Label("Projection")
        String projection = "";

        @Label("From Version")
        int from;

        @Label("To Version")
        int to;

        @Label("Position")
        long position;
    }
}
