package dev.cqrs.interceptor;

import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * An interceptor that lets a message pass only if all checks of its class find it valid.
 *
 * <p>A check is made for a class of messages and stands for all below it: one on a sealed root is made on every message of
 * the family, beside those on its class. All faults that any check finds are in one {@link InvalidMessageException}; the
 * handler is not called then. A check that throws refuses the message with that exception.
 *
 * <p>Messages of classes without a check pass; they cost a look-up of a few nanoseconds. A message that an interceptor
 * further out has put in place of another is checked by its own class.
 *
 * <p><b>Threads:</b> immutable and thread-safe, as far as the checks are. They run on the dispatching thread.
 */
public final class Validation implements Interceptor {

    private final ByClass<Function<Object, ? extends Collection<String>>> checks;

    private Validation(ByClass<Function<Object, ? extends Collection<String>>> checks) {
        this.checks = checks;
    }

    /**
     * Begins a validation.
     *
     * @return a builder without checks
     */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public Object around(Object message, Metadata metadata, Next next) throws Exception {
        var faults = faults(checks.of(message.getClass()), message);
        if (!faults.isEmpty()) {
            if (faults.stream().anyMatch(Objects::isNull)) {
                throw new NullPointerException("A check of "
                        + message.getClass().getName() + " gave a fault that is null, and the message was refused;"
                        + " expected words for whoever sent it.");
            }
            throw new InvalidMessageException(message.getClass(), List.copyOf(faults));
        }
        return next.proceed(message, metadata);
    }

    /** Asks a check, which must answer. */
    private static Collection<String> faults(Function<Object, ? extends Collection<String>> check, Object message) {
        var faults = check.apply(message);
        if (faults == null) {
            throw new NullPointerException("A check of " + message.getClass().getName()
                    + " returned null, and the message was refused; expected its faults, or an empty list.");
        }
        return faults;
    }

    /** All checks that fit a class as one, so that a message whose class has one check makes one call. */
    private static Function<Object, ? extends Collection<String>> joined(
            List<Function<Object, ? extends Collection<String>>> fitting) {
        return switch (fitting.size()) {
            case 0 -> message -> List.of();
            case 1 -> fitting.get(0);
            default ->
                message -> {
                    List<String> all = List.of();
                    for (var check : fitting) {
                        var faults = faults(check, message);
                        if (!faults.isEmpty()) {
                            all = new ArrayList<>(all);
                            all.addAll(faults);
                        }
                    }
                    return all;
                };
        };
    }

    /**
     * Collects checks.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final List<ByClass.Entry<Function<Object, ? extends Collection<String>>>> checks = new ArrayList<>();

        private Builder() {}

        /**
         * Adds a check that says what is wrong.
         *
         * @param <M> the class of the messages
         * @param type a class, or an interface; the check is made on messages of all classes below it
         * @param check gives what is wrong with a message, each fault in words for whoever sent it; empty if nothing is;
         *     never {@code null}. It runs on every send: {@code List.of()} costs nothing
         * @return this builder
         */
        @SuppressWarnings("unchecked") // it is given messages of its type only
        public <M> Builder check(Class<M> type, Function<? super M, ? extends Collection<String>> check) {
            checks.add(new ByClass.Entry<>(
                    Objects.requireNonNull(type, "type"),
                    (Function<Object, ? extends Collection<String>>) Objects.requireNonNull(check, "check")));
            return this;
        }

        /**
         * Adds a check with one possible fault.
         *
         * @param <M> the class of the messages
         * @param type a class, or an interface; the check is made on messages of all classes below it
         * @param holds what must hold of each message
         * @param fault what is wrong where it does not, in words for whoever sent it; not blank
         * @return this builder
         * @throws IllegalArgumentException if the fault is blank
         */
        public <M> Builder require(Class<M> type, Predicate<? super M> holds, String fault) {
            Objects.requireNonNull(holds, "holds");
            if (fault.isBlank()) {
                throw new IllegalArgumentException("The fault of a check of " + type.getName()
                        + " is blank; expected words for whoever sent the message, such as \"no account\".");
            }
            var faults = List.of(fault);
            return check(type, message -> holds.test(message) ? List.of() : faults);
        }

        /**
         * Makes the interceptor; the builder may be used further without affecting it.
         *
         * @return never {@code null}
         */
        public Validation build() {
            return new Validation(new ByClass<>(checks, Validation::joined));
        }
    }
}
