package dev.cqrs.testing;

import dev.cqrs.event.Position;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.testing.Simulation.Fault;
import dev.cqrs.testing.Simulation.InjectedException;
import java.util.List;
import java.util.Optional;

/** A checkpoint store that fails as a history has it. */
final class SimulatedCheckpointStore implements CheckpointStore {

    private final CheckpointStore store;
    private final History<?, ?> history;

    SimulatedCheckpointStore(CheckpointStore store, History<?, ?> history) {
        this.store = store;
        this.history = history;
    }

    @Override
    public Optional<Checkpoint> load(String name) {
        failToLoad(name);
        return store.load(name);
    }

    @Override
    public Optional<Position> position(String name) {
        failToLoad(name);
        return store.position(name);
    }

    @Override
    public List<Parked> parked(String name) {
        failToLoad(name);
        return store.parked(name);
    }

    private void failToLoad(String name) {
        history.checkThread();
        history.fail(Fault.CHECKPOINT_FAILS, "loading checkpoint \"" + name + "\"");
    }

    @Override
    public void save(String name, Checkpoint checkpoint) {
        write(
                "saving checkpoint \"" + name + "\" at position " + checkpoint.position(),
                () -> store.save(name, checkpoint));
    }

    @Override
    public void delete(String name) {
        write("deleting checkpoint \"" + name + "\"", () -> store.delete(name));
    }

    private void write(String what, Runnable write) {
        history.checkThread();
        var failed = history.strike(Fault.CHECKPOINT_FAILS);
        if (failed == null) {
            write.run();
            history.say(() -> "is " + what);
            return;
        }
        boolean written = failed.random.nextBoolean();
        if (written) {
            write.run();
        }
        history.say(() -> what + " fails" + (written ? ", but it is written" : ""));
        throw new InjectedException("The simulation has " + what + " fail.");
    }
}
