package dev.cqrs.inmemory;

import dev.cqrs.message.Interceptor.Next;

/**
 * A piece of the way that a message takes: a look-up, a link of a chain, or the target at its end.
 *
 * <p>A class, as the JVM checks an object for a class faster than for an interface, and the look-up does so each time.
 */
abstract class Way implements Next {}
