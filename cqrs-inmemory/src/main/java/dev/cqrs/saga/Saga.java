package dev.cqrs.saga;

import dev.cqrs.command.Command;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.message.WiringException;
import dev.cqrs.saga.Script.Trigger;
import dev.cqrs.saga.StepScript.Step;
import dev.cqrs.task.Delays;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A transaction over several commands, as data: steps, each a command and the command that undoes it. If a step fails, what
 * took effect is undone in reverse order.
 *
 * <pre>{@code
 * var order = Saga.named("order", STATE)
 *         .startedBy(OrderPlaced.class, OrderPlaced::order)
 *         .step("pay", o -> new TakePayment(o.id(), o.total()), (o, receipt) -> new Paid(receipt))
 *         .compensate(o -> new Refund(o.receipt()))
 *         .step("reserve", o -> new Reserve(o.id()))
 *         .compensate(o -> new Release(o.id()))
 *         .pivot("ship", o -> new Ship(o.id()))
 *         .await("delivered", Delivered.class, Delivered::order)
 *         .step("thank", o -> new Thank(o.id()))
 *         .build();
 * }</pre>
 *
 * <p>A {@link SagaEngine} runs it, an instance for each key. Its state is folded from its own events: the one that started
 * it, those that it waited for, and those that are kept of results. All functions are to be pure.
 *
 * <p><b>Steps</b> run one after the other, and those given to {@link Builder#parallel} at once. The command of a step is made
 * when the step begins, of the state at that moment; if it is tried again it is the same.
 *
 * <p><b>When a step fails</b>, nothing more is begun. As soon as it is known of all that is under way whether it took effect,
 * the compensations of the steps that did are carried out, one after the other, in the reverse of the order in which they
 * took effect; a step without one has nothing to undo. Once a {@linkplain Builder#pivot pivot} has taken effect there is no
 * way back: a later step that fails, as a compensation that does, is tried again after each of its delays, and then the
 * instance is parked until an operator decides; at once if it is refused, as it would be again.
 *
 * <p><b>What a step's handler may do:</b> carry out each command id once, as {@link
 * dev.cqrs.decider.DecisionHandler#idempotent()} does, since a command is dispatched again under its id after a crash. And all
 * or nothing: whatever it throws means that there was no effect, but for what is declared {@linkplain Builder#unsure unsure}
 * and for an append whose outcome is unknown; a {@code null} that it gives says nothing. Then, and where a command was dispatched before by a process that is gone, the
 * same id is dispatched again after each of the delays, and at last the instance is parked: it is never guessed. Of a command
 * that may have been dispatched before, a rejection still means that it had no effect: so a handler has to look whether it has
 * carried out the id before it looks at anything else, and should note the rejection, as {@code idempotent()} does with what is
 * said to be {@linkplain dev.cqrs.message.Metadata#REPEATED repeated}. A refusal by validation or authorisation, which do not
 * look, means nothing then. Where nothing is noted, a lease has to be longer than the longest a handler can stand still; if a
 * command takes effect after it was given up on, the listener is told, as nothing undoes it.
 *
 * <p><b>Versions:</b> an instance that was started under a version ends under it as long as an engine has it, and otherwise
 * under the newest version, which goes on behind the steps that it knows by name; if the instance is at a step that this
 * version does not know, or has to undo one, it is parked. What was started under a version that is newer than all an engine
 * has, it leaves to others.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param <S> the state
 */
public final class Saga<S> {

    private final StepScript<S> script;

    private Saga(StepScript<S> script) {
        this.script = script;
    }

    /**
     * Begins a saga.
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
        return "Saga[" + name() + ", version=" + version() + "]";
    }

    /** Lists what is wrong with a name that becomes part of ids. */
    static void checkName(String what, String name, List<String> faults) {
        if (name.isBlank() || name.indexOf('/') >= 0 || name.length() > Tag.MAX_LENGTH / 10) {
            faults.add("The name of " + what + " is \"" + name + "\"; expected one that is not blank, has at most "
                    + Tag.MAX_LENGTH / 10 + " characters and no slash, as it becomes part of ids.");
        }
    }

    @SuppressWarnings("unchecked") // it is asked only about events of its class
    static Function<Object, ?> anyKey(Function<?, ?> key) {
        return (Function<Object, ?>) Objects.requireNonNull(key, "key");
    }

    /** Lists pairs of classes an object of both of which would have two meanings. */
    static void checkClasses(String what, Iterable<Class<?>> types, List<String> faults) {
        for (var one : types) {
            for (var other : types) {
                if (one != other && one.isAssignableFrom(other)) {
                    faults.add("The " + what + " " + one.getName() + " and " + other.getName()
                            + " fit one event. Give each event one meaning.");
                }
            }
        }
    }

    /**
     * Says what the steps of a saga are, in their order.
     *
     * <p>{@link #compensate}, {@link #timeout}, {@link #retry} and {@link #unsure} speak of the step before them; {@link #retry} and
     * {@link #unsure} before the first step speak of all steps that have none of their own.
     *
     * <p><b>Threads:</b> not thread-safe.
     *
     * @param <S> the state
     */
    public static final class Builder<S> {

        private final String name;
        private final Fold<S> state;
        private final Map<Class<?>, Function<Object, ?>> starters = new LinkedHashMap<>();
        private final Map<Class<?>, Trigger> awaited = new LinkedHashMap<>();
        private final List<List<Draft<S>>> stages = new ArrayList<>();
        private final List<String> faults = new ArrayList<>();
        private @Nullable List<Draft<S>> group;
        private @Nullable Draft<S> last;
        private int version = 1;
        private Optional<Duration> within = Optional.empty();
        private List<Duration> delays = List.of();
        private List<Class<? extends Throwable>> unsure = List.of();

        private static final class Draft<S> {
            private final String name;
            private final boolean pivot;
            private @Nullable Function<? super S, ? extends Command<?>> command;
            private @Nullable BiFunction<? super S, Object, ?> result;
            private @Nullable Function<? super S, ? extends Command<?>> undo;
            private @Nullable Duration timeout;
            private @Nullable List<Duration> delays;
            private @Nullable List<Class<? extends Throwable>> unsure;

            private Draft(String name, boolean pivot) {
                this.name = Objects.requireNonNull(name, "name");
                this.pivot = pivot;
            }
        }

        private Builder(String name, Fold<S> state) {
            this.name = name;
            this.state = state;
            checkName("a saga", name, faults);
        }

        /**
         * Sets the version; one more for each change of the steps that running instances are not to follow.
         *
         * @param version 1 or more; 1 unless it is said
         * @return this builder
         * @throws IllegalArgumentException if it is less than 1
         */
        public Builder<S> version(int version) {
            if (version < 1) {
                throw new IllegalArgumentException("The version of the saga \"" + name + "\" is " + version
                        + "; expected 1 for the first, and one more for each change.");
            }
            this.version = version;
            return this;
        }

        /**
         * Has an event of the domain's log start an instance; a second one with the same key starts no other. Events from before
         * the saga start none unless it is said, see {@link SagaEngine.Builder#add(Saga)}.
         *
         * @param <E> the class of the event
         * @param type the class
         * @param key gives what tells instances apart: its {@code toString()}, which is visible in the log
         * @return this builder
         */
        public <E> Builder<S> startedBy(Class<E> type, Function<? super E, ?> key) {
            if (starters.putIfAbsent(Objects.requireNonNull(type, "type"), anyKey(key)) != null) {
                faults.add(type.getName() + " starts it twice. Keep one startedBy(...).");
            }
            return this;
        }

        /**
         * Gives the time for the whole, from its start; if it is over before the pivot, the saga fails.
         *
         * @param duration more than zero; not limited unless it is said
         * @return this builder
         * @throws IllegalArgumentException if it is not positive
         */
        public Builder<S> within(Duration duration) {
            within = Optional.of(positive(duration));
            return this;
        }

        /**
         * Adds a step whose result is not kept.
         *
         * @param name a stable name, without slashes
         * @param command gives the command
         * @return this builder
         */
        public Builder<S> step(String name, Function<? super S, ? extends Command<?>> command) {
            return command(new Draft<>(name, false), command, null);
        }

        /**
         * Adds a step of whose result an event is kept, from which the state is folded on.
         *
         * @param <R> the type of the result
         * @param name a stable name, without slashes
         * @param command gives the command
         * @param result gives the event of a result; the catalog of the operations log has to know it
         * @return this builder
         */
        public <R> Builder<S> step(
                String name,
                Function<? super S, ? extends Command<R>> command,
                BiFunction<? super S, ? super R, ?> result) {
            return command(new Draft<>(name, false), command, result);
        }

        /**
         * Adds a step as {@link #step(String, Function)} does, after which there is no way back.
         *
         * @param name a stable name, without slashes
         * @param command gives the command
         * @return this builder
         */
        public Builder<S> pivot(String name, Function<? super S, ? extends Command<?>> command) {
            return command(new Draft<>(name, true), command, null);
        }

        /**
         * Adds a step as {@link #step(String, Function, BiFunction)} does, after which there is no way back.
         *
         * @param <R> the type of the result
         * @param name a stable name, without slashes
         * @param command gives the command
         * @param result gives the event of a result
         * @return this builder
         */
        public <R> Builder<S> pivot(
                String name,
                Function<? super S, ? extends Command<R>> command,
                BiFunction<? super S, ? super R, ?> result) {
            return command(new Draft<>(name, true), command, result);
        }

        @SuppressWarnings("unchecked") // it is given results of the command
        private Builder<S> command(
                Draft<S> step,
                Function<? super S, ? extends Command<?>> command,
                @Nullable BiFunction<? super S, ?, ?> result) {
            step.command = Objects.requireNonNull(command, "command");
            step.result = (BiFunction<? super S, Object, ?>) result;
            add(step);
            return this;
        }

        /**
         * Adds a step that is done when an event of the domain's log comes, which is kept. One that comes before the step is
         * begun counts. An event that is read as several counts once for an instance.
         *
         * @param <E> the class of the event
         * @param name a stable name, without slashes
         * @param type the class
         * @param key gives the key of the instance
         * @return this builder
         */
        public <E> Builder<S> await(String name, Class<E> type, Function<? super E, ?> key) {
            add(new Draft<>(name, false));
            if (awaited.putIfAbsent(Objects.requireNonNull(type, "type"), new Trigger(name, anyKey(key))) != null) {
                faults.add("Two steps wait for " + type.getName() + ". Give each step an event of its own.");
            }
            return this;
        }

        private void add(Draft<S> step) {
            checkName("a step", step.name, faults);
            var parallel = group;
            if (parallel != null) {
                if (step.pivot) {
                    faults.add(
                            "The pivot \"" + step.name + "\" is given to parallel(...). Give it a place of its own.");
                }
                parallel.add(step);
            } else {
                stages.add(List.of(step));
            }
            last = step;
        }

        /**
         * Adds steps that run at once; all of them have to be done before the next begins.
         *
         * @param steps adds the steps to the builder it is given, which is this one
         * @return this builder
         */
        public Builder<S> parallel(Consumer<? super Builder<S>> steps) {
            if (group != null) {
                faults.add("parallel(...) is called within parallel(...). Add those steps to the outer one.");
                steps.accept(this);
                return this;
            }
            var own = new ArrayList<Draft<S>>();
            group = own;
            steps.accept(this);
            group = null;
            last = null;
            if (own.isEmpty()) {
                faults.add("parallel(...) was given no steps. Add some, or leave it out.");
            } else {
                stages.add(own);
            }
            return this;
        }

        /**
         * Gives the step the command that undoes it.
         *
         * @param command gives the command
         * @return this builder
         */
        public Builder<S> compensate(Function<? super S, ? extends Command<?>> command) {
            var step = last("compensate");
            if (step != null) {
                if (step.undo != null) {
                    faults.add("The step \"" + step.name + "\" has two compensations. Keep one.");
                }
                step.undo = Objects.requireNonNull(command, "command");
            }
            return this;
        }

        /**
         * Gives the step a time, from when it begins. If it is over before the pivot, the saga fails, as soon as it is known
         * whether the step took effect; afterwards the instance is parked.
         *
         * @param duration more than zero; not limited unless it is said
         * @return this builder
         * @throws IllegalArgumentException if it is not positive
         */
        public Builder<S> timeout(Duration duration) {
            positive(duration);
            var step = last("timeout");
            if (step != null) {
                step.timeout = duration;
            }
            return this;
        }

        /**
         * Has the command of the step that failed, and its compensation, tried again after each delay in turn; without it
         * they are tried once.
         *
         * @param first the first delay, zero or more
         * @param further the delays after that
         * @return this builder
         * @throws IllegalArgumentException if a delay is negative
         */
        public Builder<S> retry(Duration first, Duration... further) {
            var all = Delays.of(first, further);
            var step = last;
            if (step != null) {
                step.delays = all;
            } else if (stages.isEmpty() && group == null) {
                delays = all;
            } else {
                last("retry");
            }
            return this;
        }

        /**
         * Says of which exceptions of the step's handler, or among their causes, it is not known whether the command took
         * effect: it is dispatched again under the same id.
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
            var step = last;
            if (step != null) {
                step.unsure = all;
            } else if (stages.isEmpty() && group == null) {
                unsure = all;
            } else {
                last("unsure");
            }
            return this;
        }

        private @Nullable Draft<S> last(String what) {
            if (last == null) {
                faults.add(what + "(...) has no step before it. Call it behind that of which it speaks.");
            }
            return last;
        }

        private Duration positive(Duration duration) {
            if (duration.isNegative() || duration.isZero()) {
                throw new IllegalArgumentException(
                        "A time of the saga \"" + name + "\" is " + duration + "; expected more than zero.");
            }
            return duration;
        }

        /**
         * Makes the saga.
         *
         * @return never {@code null}
         * @throws WiringException if steps are missing, have one name, or could not be undone
         */
        public Saga<S> build() {
            var all = new ArrayList<>(faults);
            if (stages.isEmpty()) {
                all.add("It has no steps. Add one with step(...).");
            }
            checkClasses("classes that start it,", starters.keySet(), all);
            checkClasses("classes that are waited for,", awaited.keySet(), all);
            var names = new HashSet<String>();
            boolean passed = false;
            var built = new ArrayList<List<Step<S>>>();
            for (var stage : stages) {
                var steps = new ArrayList<Step<S>>();
                for (var draft : stage) {
                    if (!names.add(draft.name)) {
                        all.add("Two steps are named \"" + draft.name + "\". Give each a name of its own.");
                    }
                    if (draft.undo != null && (passed || draft.pivot || draft.command == null)) {
                        all.add("The step \"" + draft.name + "\" has a compensation, but "
                                + (draft.command == null
                                        ? "is an event: nothing of ours took effect."
                                        : "there is no way back from the pivot on.")
                                + " Take it out.");
                    }
                    if (draft.command == null && (draft.delays != null || draft.unsure != null)) {
                        all.add(
                                "The step \"" + draft.name
                                        + "\" is an event, and has retry(...) or unsure(...). Take it out: there is no command.");
                    }
                    if (draft.pivot && passed) {
                        all.add("The step \"" + draft.name + "\" is a second pivot. Keep the first.");
                    }
                    steps.add(new Step<>(
                            draft.name,
                            Optional.ofNullable(draft.command),
                            Optional.ofNullable(draft.result),
                            Optional.ofNullable(draft.undo),
                            draft.pivot,
                            Optional.ofNullable(draft.timeout),
                            Objects.requireNonNullElse(draft.delays, delays),
                            Objects.requireNonNullElse(draft.unsure, unsure)));
                }
                passed |= stage.stream().anyMatch(draft -> draft.pivot);
                built.add(steps);
            }
            if (!all.isEmpty()) {
                throw new WiringException("Saga \"" + name + "\"", all);
            }
            return new Saga<>(new StepScript<>(name, version, state, starters, awaited, built, within));
        }
    }
}
