/**
 * The test kit: given/when/then, recording buses, a virtual clock, a seeded scheduler, numbered crash points, and the
 * simulation of a whole application.
 *
 * <p>Needs no test framework: what fails throws an {@link AssertionError}. Looks at all rooms of the core; test code may
 * enter.
 */
@NullMarked
package dev.cqrs.testing;

import org.jspecify.annotations.NullMarked;
