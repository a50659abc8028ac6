package dev.cqrs.contract;

import dev.cqrs.event.Position;
import dev.cqrs.projection.CheckpointStore;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;

/** A plain checkpoint store under one lock, correct unless it is given a fault. */
final class FaultyCheckpointStore implements CheckpointStore {

    /** What an author of a store may get wrong, and the test that finds it. */
    enum Fault {
        NONE(""),
        LATER_POSITIONS_WIN("the_last_save_wins_even_if_it_goes_back_to_an_earlier_position_or_version"),
        DELETES_EVERYTHING("names_are_independent_of_each_other"),
        NAMES_IGNORE_CASE("names_are_told_apart_by_each_character"),
        NAMES_ARE_TRIMMED("names_are_told_apart_by_each_character"),
        SLASHES_ARE_UNDERSCORES("names_are_told_apart_by_each_character"),
        LONG_NAMES_ARE_CUT("long_names_are_told_apart_by_a_single_character"),
        PARKED_EVENTS_ARE_LOST("events_that_were_put_aside_are_kept_with_the_state_until_a_save_without_them"),
        POSITION_STAYS_AFTER_A_DELETE("the_position_is_that_of_the_last_save"),
        PARKED_STAYS_AFTER_A_DELETE("what_was_put_aside_is_that_of_the_last_save"),
        TAKES_NULL_FOR_A_NAME_WITH_NOTHING_PUT_ASIDE("nulls_are_refused_and_change_nothing"),
        POSITION_AND_STATE_ARE_SAVED_APART("what_is_loaded_while_others_save_was_saved_as_a_whole");

        final String foundBy;

        Fault(String foundBy) {
            this.foundBy = foundBy;
        }
    }

    static volatile Fault faultOfSuite = Fault.NONE;

    /** The suite on this store; nested, so that surefire does not run it by itself. */
    static class Suite extends CheckpointStoreContract {
        @Override
        protected CheckpointStore emptyStore() {
            return new FaultyCheckpointStore(faultOfSuite);
        }
    }

    private final Fault fault;
    private final Object lock = new Object();
    private final Map<String, Checkpoint> kept = new HashMap<>(); // guarded by lock
    private final Map<String, Position> positions = new HashMap<>(); // guarded by lock
    private final Map<String, List<Parked>> parked = new HashMap<>(); // guarded by lock

    FaultyCheckpointStore(Fault fault) {
        this.fault = fault;
    }

    @Override
    public Optional<Checkpoint> load(String name) {
        synchronized (lock) {
            var found = kept.get(key(name));
            return has(Fault.POSITION_AND_STATE_ARE_SAVED_APART) && found != null
                    ? position(name).map(position -> new Checkpoint(found.version(), position, found.state()))
                    : Optional.ofNullable(found);
        }
    }

    @Override
    public Optional<Position> position(String name) {
        synchronized (lock) {
            return Optional.ofNullable(positions.get(key(name)));
        }
    }

    @Override
    public List<Parked> parked(String name) {
        if (name == null && has(Fault.TAKES_NULL_FOR_A_NAME_WITH_NOTHING_PUT_ASIDE)) {
            return List.of();
        }
        synchronized (lock) {
            return parked.getOrDefault(key(name), List.of());
        }
    }

    @Override
    public void save(String name, Checkpoint checkpoint) {
        Objects.requireNonNull(checkpoint);
        var key = key(name);
        if (has(Fault.POSITION_AND_STATE_ARE_SAVED_APART)) {
            synchronized (lock) {
                positions.put(key, checkpoint.position());
            }
            LockSupport.parkNanos(20_000); // gives other threads time to come between
        }
        synchronized (lock) {
            var before = kept.get(key);
            if (has(Fault.LATER_POSITIONS_WIN)
                    && before != null
                    && before.position().isAfter(checkpoint.position())) {
                return;
            }
            positions.put(key, checkpoint.position());
            parked.put(key, checkpoint.parked());
            kept.put(
                    key,
                    has(Fault.PARKED_EVENTS_ARE_LOST)
                            ? new Checkpoint(checkpoint.version(), checkpoint.position(), checkpoint.state())
                            : checkpoint);
        }
    }

    @Override
    public void delete(String name) {
        var key = key(name);
        synchronized (lock) {
            kept.remove(key);
            if (!has(Fault.POSITION_STAYS_AFTER_A_DELETE)) {
                positions.remove(key);
            }
            if (!has(Fault.PARKED_STAYS_AFTER_A_DELETE)) {
                parked.remove(key);
            }
            if (has(Fault.DELETES_EVERYTHING)) {
                kept.clear();
            }
        }
    }

    private boolean has(Fault one) {
        return fault == one;
    }

    private String key(String name) {
        return switch (fault) {
            case NAMES_IGNORE_CASE -> name.toLowerCase(Locale.ROOT);
            case NAMES_ARE_TRIMMED -> name.strip();
            case SLASHES_ARE_UNDERSCORES -> name.replace('/', '_');
            case LONG_NAMES_ARE_CUT -> name.substring(0, Math.min(255, name.length()));
            default -> Objects.requireNonNull(name);
        };
    }
}
