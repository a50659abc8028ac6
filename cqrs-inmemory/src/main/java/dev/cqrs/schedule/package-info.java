/**
 * Commands that are stored and run later, or elsewhere: a queue and a schedule in the operations log, and the workers that
 * run what is due.
 *
 * <p>Looks at the rooms {@code message}, {@code command}, {@code event}, {@code eventstore}, {@code decider} and
 * {@code projection} of the core, and of {@code dev.cqrs.runtime} at the timer alone. Applications may enter.
 */
@NullMarked
package dev.cqrs.schedule;

import org.jspecify.annotations.NullMarked;
