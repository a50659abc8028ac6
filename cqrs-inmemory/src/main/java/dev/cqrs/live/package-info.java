/**
 * Queries that stay open: the answer now, and then each new one, for subscribers that may be slow.
 *
 * <p>Looks at the views of the projection engine. The in-memory preset and applications may enter.
 */
@NullMarked
package dev.cqrs.live;

import org.jspecify.annotations.NullMarked;
