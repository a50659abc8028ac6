/**
 * Commands, their handlers, and the bus between them.
 *
 * <p>Looks at {@code message} only. The {@code decider} room, buses and applications may enter.
 */
@NullMarked
package dev.cqrs.command;

import org.jspecify.annotations.NullMarked;
