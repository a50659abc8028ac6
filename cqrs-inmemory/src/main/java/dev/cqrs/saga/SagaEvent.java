package dev.cqrs.saga;

import dev.cqrs.event.Tag;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/**
 * What the operations log tells of sagas and process managers: one of these for each turn of an instance, which says what
 * came in, what goes out, and where the instance stands then.
 *
 * <p>The event that is kept of what came in, if there is one, and the commands that go out stand right behind it in the same
 * append, in this order, as entries of the catalog like any event. {@link SagaEngine#catalog} adds both of these events to a
 * catalog.
 *
 * <p><b>Threads:</b> immutable.
 */
public sealed interface SagaEvent {

    /** The key of the tags by which the events of an instance are found; the value is its name. */
    String INSTANCE_TAG = "cqrs.saga";

    /** The key of the tags by which the events of all instances of a saga are found; the value is the saga's name. */
    String NAME_TAG = "cqrs.saga-name";

    /**
     * Gives the name of the saga or process manager.
     *
     * @return never {@code null}
     */
    String saga();

    /**
     * Gives the key of the instance.
     *
     * @return never {@code null}
     */
    String key();

    /**
     * Gives what came in.
     *
     * @return never {@code null}
     */
    Input input();

    /**
     * Gives what goes out, in order.
     *
     * @return an unmodifiable list, possibly empty
     */
    List<Output> outputs();

    /**
     * Gives where the instance stands then.
     *
     * @return never {@code null}
     */
    Standing standing();

    /**
     * Gives the tags of this event, for the catalog.
     *
     * @return an unmodifiable set
     */
    default Set<Tag> tags() {
        return Set.of(tag(saga(), key()), Tag.of(NAME_TAG, saga()));
    }

    /**
     * Gives the tag of the events of an instance.
     *
     * @param saga the name of the saga or process manager
     * @param key the key of the instance
     * @return never {@code null}
     * @throws IllegalArgumentException if the two cannot be a tag's value
     */
    static Tag tag(String saga, String key) {
        return Tag.of(INSTANCE_TAG, saga + "/" + key);
    }

    /**
     * An instance began.
     *
     * @param saga the name of the saga or process manager
     * @param key the key of the instance
     * @param version the version of the definition it was started under
     * @param input what it was started by
     * @param outputs what goes out
     * @param standing where it stands then
     */
    record Started(String saga, String key, int version, Input input, List<Output> outputs, Standing standing)
            implements SagaEvent {

        /**
         * Checks for nulls and copies the list.
         *
         * @param saga the name of the saga or process manager
         * @param key the key of the instance
         * @param version the version of the definition it was started under
         * @param input what it was started by
         * @param outputs what goes out
         * @param standing where it stands then
         */
        public Started {
            Objects.requireNonNull(saga, "saga");
            Objects.requireNonNull(key, "key");
            Objects.requireNonNull(input, "input");
            outputs = List.copyOf(outputs);
            Objects.requireNonNull(standing, "standing");
        }
    }

    /**
     * An instance went on.
     *
     * @param saga the name of the saga or process manager
     * @param key the key of the instance
     * @param version the version of the definition it went on under, which may be another than it was started under
     * @param input what came in
     * @param outputs what goes out
     * @param standing where it stands then
     */
    record Continued(String saga, String key, int version, Input input, List<Output> outputs, Standing standing)
            implements SagaEvent {

        /**
         * Checks for nulls and copies the list.
         *
         * @param saga the name of the saga or process manager
         * @param key the key of the instance
         * @param version the version of the definition it went on under
         * @param input what came in
         * @param outputs what goes out
         * @param standing where it stands then
         */
        public Continued {
            Objects.requireNonNull(saga, "saga");
            Objects.requireNonNull(key, "key");
            Objects.requireNonNull(input, "input");
            outputs = List.copyOf(outputs);
            Objects.requireNonNull(standing, "standing");
        }
    }

    /**
     * From where on events of a name start instances of a saga; written when an engine first has it.
     *
     * @param saga the name of the saga or process manager
     * @param event the stable name of the events
     * @param after the place in the domain's log up to which they start none
     */
    record Deployed(String saga, String event, long after) {

        /**
         * Checks for nulls.
         *
         * @param saga the name of the saga or process manager
         * @param event the stable name of the events
         * @param after the place in the domain's log up to which they start none
         */
        public Deployed {
            Objects.requireNonNull(saga, "saga");
            Objects.requireNonNull(event, "event");
        }
    }

    /**
     * An engine was started; the place of this event is its <em>incarnation</em>, which no other engine has, be it of the same
     * name.
     *
     * @param engine its name
     */
    record EngineStarted(String engine) {

        /**
         * Checks for {@code null}.
         *
         * @param engine its name
         */
        public EngineStarted {
            Objects.requireNonNull(engine, "engine");
        }
    }

    /** What can come in. */
    enum Cause {
        /** It was started by an event of the domain's log. */
        STARTED,
        /** It was begun by hand; the source is where the domain's log ended then. */
        BEGUN,
        /** An event came that it reacts to or waits for. */
        EVENT,
        /** A command returned: it took effect. */
        RETURNED,
        /** A command was refused: it had no effect, and would have none if it were tried again. */
        REFUSED,
        /** A command failed: it had no effect. */
        FAILED,
        /** It is not known whether a command took effect. */
        UNSURE,
        /** A command could not be dispatched: it had no effect. */
        STUCK,
        /** The time for something has come. */
        DUE,
        /** An engine has it, or has it for longer. */
        HELD,
        /** An engine has given it back. */
        RELEASED,
        /** An operator had it go on. */
        RESUMED,
        /** An operator had a step left out. */
        SKIPPED,
        /** An operator cancelled it. */
        CANCELLED,
        /** An operator has found out that a command took effect. */
        TOOK_EFFECT,
        /** An operator has found out that a command had no effect. */
        NO_EFFECT
    }

    /**
     * What came in.
     *
     * @param cause what kind of thing it was
     * @param step the step it is about; empty if none
     * @param undo whether it is about the compensation of that step
     * @param attempt the attempt it is about, from 1; otherwise 0
     * @param event the stable name of the event that stands behind; empty if none does, also as it could not be written
     * @param source the place of the event in the domain's log; 0 if it did not come from there
     * @param reason why, in words; otherwise empty
     */
    record Input(Cause cause, String step, boolean undo, int attempt, String event, long source, String reason) {

        /**
         * Checks for nulls.
         *
         * @param cause what kind of thing it was
         * @param step the step it is about; empty if none
         * @param undo whether it is about the compensation of that step
         * @param attempt the attempt it is about, from 1; otherwise 0
         * @param event the stable name of the event that stands behind; empty if none does
         * @param source the place of that event in the domain's log; 0 if it did not come from there
         * @param reason why, in words; otherwise empty
         */
        public Input {
            Objects.requireNonNull(cause, "cause");
            Objects.requireNonNull(step, "step");
            Objects.requireNonNull(event, "event");
            Objects.requireNonNull(reason, "reason");
        }
    }

    /** What can go out. */
    enum Effect {
        /** The command of a step, which stands behind; {@code at} is when the step has to be done. */
        ISSUE,
        /** As {@link #ISSUE}, and once it has taken effect there is no way back. */
        PIVOT,
        /** A command that was issued is tried again, at an instant. */
        AGAIN,
        /** A command that was issued is tried again now. */
        REDO,
        /** It waits for an event; {@code at} is when that has to be there. */
        AWAIT,
        /** A timer is set. */
        TIMER,
        /** A timer is dropped, or a step not tried again. */
        DROP,
        /** A timer fired, or a step was not done in time. */
        FIRED,
        /** It was reacted to the oldest event or timer that had not been. */
        REACTED,
        /** A step has failed; as soon as it is known what took effect, the way back begins. */
        FAIL,
        /** The way back begins. */
        BACK,
        /** A step that took effect has nothing to be undone. */
        LEAVE,
        /** A step is given up on until an operator decides. */
        STICK,
        /** It stands still until an operator decides. */
        PARK,
        /** It ends as soon as its commands are done. */
        ENDING,
        /** It has ended. */
        END
    }

    /**
     * What goes out.
     *
     * @param effect what kind of thing it is
     * @param step the step or timer it is about; empty if none, and for the time given to the whole
     * @param undo whether it is about the compensation of that step
     * @param attempt the attempt it is about, from 1; otherwise 0
     * @param at an instant; the epoch if none
     * @param reason why, in words; otherwise empty
     */
    record Output(Effect effect, String step, boolean undo, int attempt, Instant at, String reason) {

        /**
         * Checks for nulls.
         *
         * @param effect what kind of thing it is
         * @param step the step or timer it is about; empty if none, and for the time given to the whole
         * @param undo whether it is about the compensation of that step
         * @param attempt the attempt it is about, from 1; otherwise 0
         * @param at an instant; the epoch if none
         * @param reason why, in words; otherwise empty
         */
        public Output {
            Objects.requireNonNull(effect, "effect");
            Objects.requireNonNull(step, "step");
            Objects.requireNonNull(at, "at");
            Objects.requireNonNull(reason, "reason");
        }
    }

    /**
     * Where an instance stands after a turn.
     *
     * @param state its state
     * @param step the step it is at; empty if none
     * @param ready whether a command is to be dispatched now
     * @param wake when the time for something comes; the epoch if it waits for none
     * @param engine the engine that has it; empty if none
     * @param incarnation the place of that engine's {@link EngineStarted}; 0 if none has it
     * @param until when that ends by itself, by the clock of that engine; the epoch if none has it
     */
    record Standing(
            SagaInstance.State state,
            String step,
            boolean ready,
            Instant wake,
            String engine,
            long incarnation,
            Instant until) {

        /**
         * Checks for nulls.
         *
         * @param state its state
         * @param step the step it is at; empty if none
         * @param ready whether a command is to be dispatched now
         * @param wake when the time for something comes; the epoch if it waits for none
         * @param engine the engine that has it; empty if none
         * @param incarnation the place of that engine's {@link EngineStarted}; 0 if none has it
         * @param until when that ends by itself, by the clock of that engine; the epoch if none has it
         */
        public Standing {
            Objects.requireNonNull(state, "state");
            Objects.requireNonNull(step, "step");
            Objects.requireNonNull(wake, "wake");
            Objects.requireNonNull(engine, "engine");
            Objects.requireNonNull(until, "until");
        }
    }
}
