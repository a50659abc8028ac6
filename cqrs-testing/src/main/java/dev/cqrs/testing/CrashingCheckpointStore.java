package dev.cqrs.testing;

import dev.cqrs.event.Position;
import dev.cqrs.projection.CheckpointStore;
import java.util.List;
import java.util.Optional;

/** A checkpoint store as one process has it, until that process crashes. */
final class CrashingCheckpointStore implements CheckpointStore {

    private final CheckpointStore store;
    private final CrashPoints.Life life;

    CrashingCheckpointStore(CheckpointStore store, CrashPoints.Life life) {
        this.store = store;
        this.life = life;
    }

    @Override
    public Optional<Checkpoint> load(String name) {
        life.check("load");
        return store.load(name);
    }

    @Override
    public Optional<Position> position(String name) {
        life.check("position");
        return store.position(name);
    }

    @Override
    public List<Parked> parked(String name) {
        life.check("parked");
        return store.parked(name);
    }

    @Override
    public void save(String name, Checkpoint checkpoint) {
        life.pass("before checkpoint \"" + name + "\" is saved at position " + checkpoint.position());
        store.save(name, checkpoint);
        life.pass("after checkpoint \"" + name + "\" was saved at position " + checkpoint.position());
    }

    @Override
    public void delete(String name) {
        life.pass("before checkpoint \"" + name + "\" is deleted");
        store.delete(name);
        life.pass("after checkpoint \"" + name + "\" was deleted");
    }
}
