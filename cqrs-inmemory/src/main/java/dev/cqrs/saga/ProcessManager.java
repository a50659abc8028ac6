package dev.cqrs.saga;

import dev.cqrs.event.Fold;
import dev.cqrs.message.WiringException;
import dev.cqrs.saga.Script.Trigger;
import dev.cqrs.task.Delays;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * A process that has no steps of its own, as data: it says of each event and timer what is to be done about it.
 *
 * <p>A {@link SagaEngine} runs it, an instance for each key. Its state is folded from the events it was given, each before it
 * is reacted to; all functions are to be pure. The commands of an instance are dispatched one after the other, in the order
 * in which they were sent; one that fails is tried again after each of the delays, and then the instance is parked until an
 * operator decides, with the events that come meanwhile. One that is refused is not tried again. What is said of command ids and
 * handlers in {@link Saga} holds here too.
 *
 * <p><b>Size:</b> when something comes in after a wait, all events of the instance are read; so an instance is to end, after
 * some hundreds of them at most.
 *
 * <p><b>Versions:</b> as in {@link Saga}, by the names of timers.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param <S> the state
 */
public final class ProcessManager<S> {

    private final ReactionScript<S> script;

    private ProcessManager(ReactionScript<S> script) {
        this.script = script;
    }

    /**
     * Begins a process manager.
     *
     * @param <S> the state
     * @param name a stable name, without slashes
     * @param state folds the events of an instance
     * @return a builder
     */
    public static <S> Builder<S> named(String name, Fold<S> state) {
        return new Builder<>(Objects.requireNonNull(name, "name"), Objects.requireNonNull(state, "state"));
    }

    /**
     * Gives the name.
     *
     * @return never {@code null}
     */
    public String name() {
        return script.name();
    }

    /**
     * Gives the version.
     *
     * @return 1 unless it was said
     */
    public int version() {
        return script.version();
    }

    Script<S> script() {
        return script;
    }

    @Override
    public String toString() {
        return "ProcessManager[" + name() + ", version=" + version() + "]";
    }

    /**
     * Says what a process manager does.
     *
     * <p><b>Threads:</b> not thread-safe.
     *
     * @param <S> the state
     */
    public static final class Builder<S> {

        private final String name;
        private final Fold<S> state;
        private final Map<Class<?>, Function<Object, ?>> starters = new LinkedHashMap<>();
        private final Map<Class<?>, Trigger> triggers = new LinkedHashMap<>();
        private final Map<Class<?>, BiFunction<? super S, Object, List<Reaction>>> reactions = new LinkedHashMap<>();
        private final Map<String, Function<? super S, List<Reaction>>> timers = new LinkedHashMap<>();
        private final List<String> faults = new ArrayList<>();
        private int version = 1;
        private List<Duration> delays = List.of();
        private List<Class<? extends Throwable>> unsure = List.of();

        private Builder(String name, Fold<S> state) {
            this.name = name;
            this.state = state;
            Saga.checkName("a process manager", name, faults);
        }

        /**
         * Sets the version.
         *
         * @param version 1 or more; 1 unless it is said
         * @return this builder
         * @throws IllegalArgumentException if it is less than 1
         */
        public Builder<S> version(int version) {
            if (version < 1) {
                throw new IllegalArgumentException("The version of the process manager \"" + name + "\" is " + version
                        + "; expected 1 for the first, and one more for each change.");
            }
            this.version = version;
            return this;
        }

        /**
         * Has an event of the domain's log start an instance.
         *
         * @param <E> the class of the event
         * @param type the class
         * @param key gives what tells instances apart: its {@code toString()}, which is visible in the log
         * @param reaction gives what to do
         * @return this builder
         */
        public <E> Builder<S> startedBy(
                Class<E> type, Function<? super E, ?> key, BiFunction<? super S, ? super E, List<Reaction>> reaction) {
            if (starters.putIfAbsent(Objects.requireNonNull(type, "type"), Saga.anyKey(key)) != null) {
                faults.add(type.getName() + " starts it twice. Keep one startedBy(...).");
            }
            return reaction(type, reaction);
        }

        /**
         * Has it react to an event of the domain's log, if an instance with that key runs.
         *
         * @param <E> the class of the event
         * @param type the class
         * @param key gives the key of the instance
         * @param reaction gives what to do
         * @return this builder
         */
        public <E> Builder<S> on(
                Class<E> type, Function<? super E, ?> key, BiFunction<? super S, ? super E, List<Reaction>> reaction) {
            if (triggers.putIfAbsent(Objects.requireNonNull(type, "type"), new Trigger("", Saga.anyKey(key))) != null) {
                faults.add(type.getName() + " is reacted to twice. Keep one on(...).");
            }
            return reaction(type, reaction);
        }

        @SuppressWarnings("unchecked") // it is given events of its class alone
        private <E> Builder<S> reaction(Class<E> type, BiFunction<? super S, ? super E, List<Reaction>> reaction) {
            Objects.requireNonNull(reaction, "reaction");
            if (reactions.putIfAbsent(type, (BiFunction<? super S, Object, List<Reaction>>) reaction) != null) {
                faults.add(
                        type.getName() + " starts it and is reacted to. Keep one: the reaction can look at the state.");
            }
            return this;
        }

        /**
         * Has it react to a timer that it started.
         *
         * @param timer the timer's name, stable and not blank
         * @param reaction gives what to do
         * @return this builder
         */
        public Builder<S> onTimer(String timer, Function<? super S, List<Reaction>> reaction) {
            Saga.checkName("a timer", Objects.requireNonNull(timer, "timer"), faults);
            if (timers.putIfAbsent(timer, Objects.requireNonNull(reaction, "reaction")) != null) {
                faults.add("The timer \"" + timer + "\" is reacted to twice. Keep one onTimer(...).");
            }
            return this;
        }

        /**
         * Has a command that failed tried again after each delay in turn; without it, it is tried once.
         *
         * @param first the first delay, zero or more
         * @param further the delays after that
         * @return this builder
         * @throws IllegalArgumentException if a delay is negative
         */
        public Builder<S> retry(Duration first, Duration... further) {
            delays = Delays.of(first, further);
            return this;
        }

        /**
         * Says of which exceptions of a handler, or among their causes, it is not known whether the command took effect: it
         * is dispatched again under the same id.
         *
         * @param first a class of exceptions
         * @param further more of them
         * @return this builder
         */
        @SafeVarargs
        public final Builder<S> unsure(Class<? extends Throwable> first, Class<? extends Throwable>... further) {
            var all = new ArrayList<Class<? extends Throwable>>();
            all.add(Objects.requireNonNull(first, "first"));
            for (var type : further) {
                all.add(Objects.requireNonNull(type, "further"));
            }
            unsure = List.copyOf(all);
            return this;
        }

        /**
         * Makes the process manager.
         *
         * @return never {@code null}
         * @throws WiringException if it is about nothing, or an event has two meanings
         */
        public ProcessManager<S> build() {
            var all = new ArrayList<>(faults);
            if (reactions.isEmpty()) {
                all.add("It reacts to no event. Add one with startedBy(...).");
            }
            Saga.checkClasses("classes of events", reactions.keySet(), all);
            if (!all.isEmpty()) {
                throw new WiringException("ProcessManager \"" + name + "\"", all);
            }
            return new ProcessManager<>(
                    new ReactionScript<>(name, version, state, starters, triggers, reactions, timers, delays, unsure));
        }
    }
}
