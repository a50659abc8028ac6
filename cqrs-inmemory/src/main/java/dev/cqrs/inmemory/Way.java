package dev.cqrs.inmemory;

import dev.cqrs.message.Interceptor.Next;

/**
 * A piece of the way that a message takes: a look-up, a link of a chain, or the target at its end.
 *
 * <p>A class, as the JVM checks an object for a class faster than for an interface; and what a look-up finds knows its
 * own message class, so that one load gives both.
 */
abstract class Way implements Next {

    /** The class of messages whose way this is; {@code Object} where it serves many. */
    final Class<?> type;

    Way(Class<?> type) {
        this.type = type;
    }
}
