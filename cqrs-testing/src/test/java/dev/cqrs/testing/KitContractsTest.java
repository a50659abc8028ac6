package dev.cqrs.testing;

import dev.cqrs.contract.CheckpointStoreContract;
import dev.cqrs.contract.EventStoreContract;
import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import java.time.Clock;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Nested;

/** The kit's own stores are stores like any other, as long as no process crashes. */
class KitContractsTest {

    @Nested
    class Listed extends EventStoreContract {
        @Override
        protected EventStore emptyStore(Catalog catalog, Clock clock) {
            return new ListedEvents(catalog, clock);
        }
    }

    @Nested
    class Crashing extends EventStoreContract {
        @Override
        protected EventStore emptyStore(Catalog catalog, Clock clock) {
            return CrashPoints.none().around(new ListedEvents(catalog, clock));
        }
    }

    @Nested
    class CrashingCheckpoints extends CheckpointStoreContract {
        @Override
        protected CheckpointStore emptyStore() {
            return CrashPoints.none().around(new Kept());
        }
    }

    /** Checkpoints in a map. */
    static final class Kept implements CheckpointStore {
        private final Map<String, Checkpoint> kept = new ConcurrentHashMap<>();

        @Override
        public Optional<Checkpoint> load(String name) {
            return Optional.ofNullable(kept.get(name));
        }

        @Override
        public void save(String name, Checkpoint checkpoint) {
            kept.put(name, checkpoint);
        }

        @Override
        public void delete(String name) {
            kept.remove(name);
        }
    }
}
