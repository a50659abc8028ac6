/**
 * The import of another store's events into the local one: chosen, translated, in order, exactly once.
 *
 * <p>Looks at the rooms {@code message}, {@code event} and {@code eventstore} of the core only. Applications may enter.
 */
@NullMarked
package dev.cqrs.imports;

import org.jspecify.annotations.NullMarked;
