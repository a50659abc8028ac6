package dev.cqrs.inmemory;

import dev.cqrs.projection.CheckpointStore;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A checkpoint store in the memory of one process: it lets an engine go on where another one in the same process ended.
 *
 * <p>States are kept as the objects they are, not as copies.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public final class InMemoryCheckpointStore implements CheckpointStore {

    private final Map<String, Checkpoint> checkpoints = new ConcurrentHashMap<>();

    /** Makes an empty store. */
    public InMemoryCheckpointStore() {}

    @Override
    public Optional<Checkpoint> load(String name) {
        return Optional.ofNullable(checkpoints.get(Objects.requireNonNull(name, "name")));
    }

    @Override
    public void save(String name, Checkpoint checkpoint) {
        checkpoints.put(Objects.requireNonNull(name, "name"), Objects.requireNonNull(checkpoint, "checkpoint"));
    }

    @Override
    public void delete(String name) {
        checkpoints.remove(Objects.requireNonNull(name, "name"));
    }
}
