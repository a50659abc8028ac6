package dev.cqrs.projection;

import dev.cqrs.event.Position;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * Keeps how far a projection has come, together with its state: both are written at once or not at all.
 *
 * <p><b>Threads:</b> thread-safe. The last {@code save} of a name wins.
 *
 * <p><b>Errors:</b> its methods throw {@link NullPointerException} if an argument is {@code null}.
 */
public interface CheckpointStore {

    /**
     * Gives what was last saved under {@code name}.
     *
     * @param name the projection's name
     * @return empty if nothing was saved, or it was deleted
     */
    Optional<Checkpoint> load(String name);

    /**
     * Gives how far what was last saved under {@code name} has come, also where its state cannot be read any more.
     *
     * @param name the projection's name
     * @return empty if nothing was saved, or it was deleted
     */
    default Optional<Position> position(String name) {
        return load(name).map(Checkpoint::position);
    }

    /**
     * Gives what was put aside by what was last saved under {@code name}, also where its state cannot be read any more.
     *
     * @param name the projection's name
     * @return an unmodifiable list in the order of the log; empty if nothing was put aside, or nothing was saved
     */
    default List<Parked> parked(String name) {
        return load(name).map(Checkpoint::parked).orElse(List.of());
    }

    /**
     * Replaces what is saved under {@code name}.
     *
     * @param name the projection's name
     * @param checkpoint what to keep
     */
    void save(String name, Checkpoint checkpoint);

    /**
     * Forgets what is saved under {@code name}; does nothing if nothing is.
     *
     * @param name the projection's name
     */
    void delete(String name);

    /**
     * How far a projection has come.
     *
     * @param version the version of the projection
     * @param position the last position of the log that is in the state, but for what was put aside
     * @param state the state; never changed by anybody once it is saved
     * @param parked the events up to there that were put aside and are not in the state, in the order of the log
     */
    record Checkpoint(int version, Position position, Object state, List<Parked> parked) {

        /**
         * Checks for nulls and copies the list.
         *
         * @param version the version of the projection
         * @param position the last position of the log that is in the state, but for what was put aside
         * @param state the state; never changed by anybody once it is saved
         * @param parked the events up to there that were put aside and are not in the state, in the order of the log
         * @throws NullPointerException if a part is {@code null}
         */
        public Checkpoint {
            Objects.requireNonNull(position, "position");
            Objects.requireNonNull(state, "state");
            parked = List.copyOf(Objects.requireNonNull(parked, "parked"));
        }

        /**
         * Makes a checkpoint without events that were put aside.
         *
         * @param version the version of the projection
         * @param position the last position of the log that is in the state
         * @param state the state; never changed by anybody once it is saved
         * @throws NullPointerException if a part is {@code null}
         */
        public Checkpoint(int version, Position position, Object state) {
            this(version, position, state, List.of());
        }

        @Override
        public String toString() {
            return "Checkpoint[version=" + version + ", position=" + position + ", state=" + state
                    + (parked.isEmpty() ? "" : ", parked=" + parked) + "]";
        }
    }

    /**
     * An event that was put aside. It is kept by its place: the log has the event.
     *
     * @param position its place in the log
     * @param reason why, in words; empty if only because an earlier event of its key was
     * @param effectDue whether its effect is to be performed when it is repaired; not where an earlier version had come to it
     */
    record Parked(Position position, String reason, boolean effectDue) {

        /**
         * Checks for nulls.
         *
         * @param position its place in the log
         * @param reason why, in words; empty if only because an earlier event of its key was
         * @param effectDue whether its effect is to be performed when it is repaired; not where an earlier version had come
         *     to it
         * @throws NullPointerException if a part is {@code null}
         */
        public Parked {
            Objects.requireNonNull(position, "position");
            Objects.requireNonNull(reason, "reason");
        }
    }
}
