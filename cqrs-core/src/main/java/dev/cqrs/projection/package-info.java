/**
 * Projections: named, versioned folds of the log into views, and where their progress is kept.
 *
 * <p>Looks at {@code event} and {@code eventstore}. The engines that run projections and applications may enter.
 */
@NullMarked
package dev.cqrs.projection;

import org.jspecify.annotations.NullMarked;
