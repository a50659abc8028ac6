/**
 * Commands accepted now and dispatched soon, within one process: in order per key, in parallel across keys, bounded.
 *
 * <p>Looks at the rooms {@code message} and {@code command} of the core, and at {@code task}. Applications may enter.
 */
@NullMarked
package dev.cqrs.queue;

import org.jspecify.annotations.NullMarked;
