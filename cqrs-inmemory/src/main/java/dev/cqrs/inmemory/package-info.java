/**
 * Buses and stores that live in the memory of one process, and the preset that wires them together.
 *
 * <p>Looks at the core and at the engines of this module; only applications may enter.
 */
@NullMarked
package dev.cqrs.inmemory;

import org.jspecify.annotations.NullMarked;
