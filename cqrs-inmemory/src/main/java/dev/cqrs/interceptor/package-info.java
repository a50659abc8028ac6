/**
 * Interceptors that most applications need: observation, validation, authorization and retry, and the order of them.
 *
 * <p>Looks at the room {@code message} of the core, and for what a retry can cure at {@code eventstore}, {@code event} and
 * {@code decider}. Applications may enter.
 */
@NullMarked
package dev.cqrs.interceptor;

import org.jspecify.annotations.NullMarked;
