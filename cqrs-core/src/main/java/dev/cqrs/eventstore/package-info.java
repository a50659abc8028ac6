/**
 * The log: conditional, atomic appends and consistent reads, after the DCB specification (https://dcb.events).
 *
 * <p>Looks at {@code message} and {@code event}. The rooms {@code decider} and {@code projection} may enter.
 */
@NullMarked
package dev.cqrs.eventstore;

import org.jspecify.annotations.NullMarked;
