/**
 * The test kit: given/when/then, recording buses, a virtual clock, a seeded scheduler, and numbered crash points.
 *
 * <p>Needs no test framework: what fails throws an {@link AssertionError}. Looks at all rooms of the core; test code may
 * enter.
 */
@NullMarked
package dev.cqrs.testing;

import org.jspecify.annotations.NullMarked;
