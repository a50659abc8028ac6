/**
 * Undo and redo: a document whose history survives a restart.
 *
 * <p>Begin with {@code Sittings}, which is run.
 */
@NullMarked
package dev.cqrs.examples.undo;

import org.jspecify.annotations.NullMarked;
