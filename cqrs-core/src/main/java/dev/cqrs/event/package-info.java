/**
 * What happened, and how it is told: events with their names, tags and positions, and the fold that sums them up.
 *
 * <p>Looks at {@code message} only. The rooms {@code eventstore}, {@code decider} and {@code projection} may enter.
 */
@NullMarked
package dev.cqrs.event;

import org.jspecify.annotations.NullMarked;
