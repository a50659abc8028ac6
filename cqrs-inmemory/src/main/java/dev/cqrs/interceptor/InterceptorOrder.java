package dev.cqrs.interceptor;

/**
 * The order numbers of the usual interceptors, the outermost first, some hundreds apart.
 *
 * <p>An observation is outermost: it counts a message once, with all its attempts, and sees those that are refused. What
 * is not valid is refused before anybody asks who may send it, and neither is tried again. A retry stands around the
 * transaction, so that each attempt has a transaction of its own; one inside would go on in a transaction that is lost. So
 * does that around a message which a handler sends within its own transaction: there only the outer one can help, and the
 * inner one leaves it to that with {@link Retry#unless}.
 *
 * <p>A journal stands between: what is refused costs it nothing, and an entry has all attempts in it. One that is to hold what
 * is refused as well stands outermost, with a number below all these.
 *
 * <p>These are numbers for {@code intercept(order, interceptor)} of any builder; those between them are free.
 */
public final class InterceptorOrder {

    /** Of {@link Observation}. */
    public static final int OBSERVATION = 1_000;

    /** Of {@link Validation}. */
    public static final int VALIDATION = 2_000;

    /** Of {@link Authorization}. */
    public static final int AUTHORIZATION = 3_000;

    /** Of {@link dev.cqrs.journal.Journal}, unless it is to hold what is refused. */
    public static final int JOURNAL = 3_500;

    /** Of {@link Retry}. */
    public static final int RETRY = 4_000;

    /** Of whatever opens a transaction around the handler. */
    public static final int TRANSACTION = 5_000;

    private InterceptorOrder() {}
}
