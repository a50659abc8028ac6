/**
 * One answer out of many sources, which are asked in parallel under a deadline.
 *
 * <p>Looks at the rooms {@code message} and {@code query} of the core only. Applications may enter.
 */
@NullMarked
package dev.cqrs.gather;

import org.jspecify.annotations.NullMarked;
