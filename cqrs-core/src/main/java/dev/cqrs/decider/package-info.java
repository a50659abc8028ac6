/**
 * Deciding: load what a decision depends on, decide, and append the outcome unless what was loaded has changed.
 *
 * <p>Looks at {@code message}, {@code command}, {@code event}, {@code eventstore}, and at {@code projection} for the store that
 * snapshots share with projections. Applications may enter.
 */
@NullMarked
package dev.cqrs.decider;

import org.jspecify.annotations.NullMarked;
