package dev.cqrs.interceptor;

/**
 * The order numbers of the usual interceptors, the outermost first, a thousand apart.
 *
 * <p>An observation is outermost: it counts a message once, with all its attempts, and sees those that are refused. What
 * is not valid is refused before anybody asks who may send it, and neither is tried again. A retry stands around the
 * transaction, so that each attempt has a transaction of its own; one inside would go on in a transaction that is lost.
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

    /** Of {@link Retry}. */
    public static final int RETRY = 4_000;

    /** Of whatever opens a transaction around the handler. */
    public static final int TRANSACTION = 5_000;

    private InterceptorOrder() {}
}
