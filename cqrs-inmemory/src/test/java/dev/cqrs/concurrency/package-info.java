/** What threads do to the store and to projections, in many interleavings, compared with a plain list. */
@NullMarked
package dev.cqrs.concurrency;

import org.jspecify.annotations.NullMarked;
