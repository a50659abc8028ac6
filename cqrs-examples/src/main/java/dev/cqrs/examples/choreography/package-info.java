/**
 * The order of {@code dev.cqrs.examples.order} as a choreography: each takes part by itself, by reacting to what the others
 * have done, and a process manager alone reminds who does not pay.
 *
 * <p>Begin with {@code Choreography}.
 */
@NullMarked
package dev.cqrs.examples.choreography;

import org.jspecify.annotations.NullMarked;
