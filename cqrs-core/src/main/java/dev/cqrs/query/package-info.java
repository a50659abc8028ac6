/**
 * Queries, their handlers, and the bus between them: the same shape as the {@code command} room.
 *
 * <p>Looks at {@code message} only. Buses and applications may enter.
 */
@NullMarked
package dev.cqrs.query;

import org.jspecify.annotations.NullMarked;
