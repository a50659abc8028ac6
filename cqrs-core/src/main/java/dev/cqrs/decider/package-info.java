/**
 * Deciding: load what a decision depends on, decide, and append the outcome unless what was loaded has changed.
 *
 * <p>Looks at {@code message}, {@code command}, {@code event} and {@code eventstore}. Applications may enter.
 */
@NullMarked
package dev.cqrs.decider;

import org.jspecify.annotations.NullMarked;
