/**
 * Processes that run over many commands: sagas, which undo what they have done when a step fails, and process managers, which
 * react to events; their engine, which keeps their progress in the operations log.
 *
 * <p>Looks at the rooms {@code message}, {@code command}, {@code event}, {@code eventstore}, {@code decider} and
 * {@code projection} of the core, of {@code dev.cqrs.runtime} at the timer alone, and of {@code dev.cqrs.interceptor} at the
 * refusals. Applications may enter.
 */
@NullMarked
package dev.cqrs.saga;

import org.jspecify.annotations.NullMarked;
