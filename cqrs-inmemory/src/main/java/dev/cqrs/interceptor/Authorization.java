package dev.cqrs.interceptor;

import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * An interceptor that lets a message pass only if all rules of its class allow it.
 *
 * <p>A rule is made for a class of messages and stands for all below it: one on a sealed root is asked about every message
 * of the family, beside those on its class. They are asked in the order in which they were added, and the first that
 * denies ends it with a {@link NotAuthorizedException}; the handler is not called then. A rule that throws refuses the
 * message with that exception. What becomes of messages without a rule is said last, and must be said:
 * {@link Builder#denyOthers()} or {@link Builder#allowOthers()}.
 *
 * <p>Who is asking stands in the metadata, which the application has put there when it took the message in: this class
 * believes them. A message that a handler sends has the metadata which that handler gives it.
 *
 * <p>Every message comes here, so that one which an interceptor further out has put in place of another is asked about by
 * its own class. One that an interceptor further in puts in place of another is not asked about.
 *
 * <p><b>Threads:</b> immutable and thread-safe, as far as the rules are. They run on the dispatching thread.
 */
public final class Authorization implements Interceptor {

    private final ByClass<Rule<Object>> rules;

    /**
     * Says whether a message may be sent.
     *
     * <p><b>Threads:</b> called by many threads at once.
     *
     * @param <M> the class of the messages
     */
    @FunctionalInterface
    public interface Rule<M> {

        /**
         * Allows or denies.
         *
         * @param message never {@code null}
         * @param metadata what travels with it, never {@code null}
         * @return never {@code null}
         */
        Verdict judge(M message, Metadata metadata);
    }

    /**
     * What a rule says: allowed, or denied for a reason.
     *
     * <p><b>Threads:</b> immutable.
     */
    public sealed interface Verdict {

        /** The message may pass. */
        enum Allowed implements Verdict {
            /** The one value. */
            ALLOWED
        }

        /**
         * The message is refused.
         *
         * @param reason for whoever sent it; not blank
         */
        record Denied(String reason) implements Verdict {

            /**
             * Checks the reason.
             *
             * @param reason for whoever sent it; not blank
             * @throws NullPointerException if {@code reason} is {@code null}
             * @throws IllegalArgumentException if it is blank
             */
            public Denied {
                if (Objects.requireNonNull(reason, "reason").isBlank()) {
                    throw new IllegalArgumentException(
                            "The reason of a denial is blank; expected words for whoever sent"
                                    + " the message, such as \"log in first\".");
                }
            }
        }

        /**
         * Allows.
         *
         * @return always the same instance
         */
        static Verdict allow() {
            return Allowed.ALLOWED;
        }

        /**
         * Refuses.
         *
         * @param reason for whoever sent the message; not blank
         * @return never {@code null}
         * @throws IllegalArgumentException if the reason is blank
         */
        static Verdict deny(String reason) {
            return new Denied(reason);
        }
    }

    private Authorization(ByClass<Rule<Object>> rules) {
        this.rules = rules;
    }

    /**
     * Begins an authorization.
     *
     * @return a builder without rules
     */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public Object around(Object message, Metadata metadata, Next next) throws Exception {
        var verdict = rules.of(message.getClass()).judge(message, metadata);
        if (verdict != Verdict.Allowed.ALLOWED) {
            throw refusal(message.getClass(), verdict);
        }
        return next.proceed(message, metadata);
    }

    private static RuntimeException refusal(Class<?> type, Verdict verdict) {
        if (verdict instanceof Verdict.Denied denied) {
            return new NotAuthorizedException(type, denied.reason());
        }
        return new NullPointerException("A rule for " + type.getName() + " returned null, and the message was refused;"
                + " expected allow() or deny(reason).");
    }

    private static Authorization of(List<ByClass.Entry<Rule<Object>>> entries, Rule<Object> others) {
        return new Authorization(new ByClass<>(entries, fitting -> switch (fitting.size()) {
            case 0 -> others;
            case 1 -> fitting.get(0);
            default ->
                (message, metadata) -> {
                    for (var rule : fitting) {
                        var verdict = rule.judge(message, metadata);
                        if (verdict != Verdict.Allowed.ALLOWED) {
                            return verdict;
                        }
                    }
                    return Verdict.allow();
                };
        }));
    }

    /**
     * Collects rules; what becomes of messages without one completes it.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final List<ByClass.Entry<Rule<Object>>> entries = new ArrayList<>();

        private Builder() {}

        /**
         * Adds a rule.
         *
         * @param <M> the class of the messages
         * @param type a class, or an interface; the rule is asked about messages of all classes below it
         * @param rule allows or denies each of them
         * @return this builder
         */
        @SuppressWarnings("unchecked") // it is given messages of its type only
        public <M> Builder rule(Class<M> type, Rule<? super M> rule) {
            entries.add(new ByClass.Entry<>(
                    Objects.requireNonNull(type, "type"), (Rule<Object>) Objects.requireNonNull(rule, "rule")));
            return this;
        }

        /**
         * Makes the interceptor; messages without a rule are refused. The builder may be used further without affecting
         * it.
         *
         * @return never {@code null}
         */
        public Authorization denyOthers() {
            return of(
                    entries,
                    (message, metadata) -> Verdict.deny(
                            "no rule speaks of " + message.getClass().getName()
                                    + ", and what has no rule is denied; add a rule for it before denyOthers()"));
        }

        /**
         * Makes the interceptor; messages without a rule pass. The builder may be used further without affecting it.
         *
         * @return never {@code null}
         */
        public Authorization allowOthers() {
            return of(entries, (message, metadata) -> Verdict.allow());
        }
    }
}
