package dev.cqrs.projection;

import dev.cqrs.event.Position;
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
     * @param position the last position of the log that is in the state
     * @param state the state; never changed by anybody once it is saved
     */
    record Checkpoint(int version, Position position, Object state) {

        /**
         * Checks for nulls.
         *
         * @param version the version of the projection
         * @param position the last position of the log that is in the state
         * @param state the state; never changed by anybody once it is saved
         * @throws NullPointerException if a part is {@code null}
         */
        public Checkpoint {
            Objects.requireNonNull(position, "position");
            Objects.requireNonNull(state, "state");
        }
    }
}
