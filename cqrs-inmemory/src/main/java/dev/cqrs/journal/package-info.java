/**
 * What became of commands, kept in the operations log: a journal of every command, and undo and redo.
 *
 * <p>Looks at the rooms {@code message}, {@code command}, {@code event}, {@code eventstore} and {@code decider} of the core
 * only. Applications may enter.
 */
@NullMarked
package dev.cqrs.journal;

import org.jspecify.annotations.NullMarked;
