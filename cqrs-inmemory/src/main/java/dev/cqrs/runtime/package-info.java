/**
 * The engine that runs projections over any event store: inline or in the background, followed without gap or duplicate.
 *
 * <p>Looks at the core only. The in-memory preset and applications may enter.
 */
@NullMarked
package dev.cqrs.runtime;

import org.jspecify.annotations.NullMarked;
