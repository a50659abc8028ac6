package dev.cqrs.inmemory;

import java.util.Objects;
import java.util.function.Function;

/**
 * A handler that is asked for anew with each message: by its type, of whatever makes or finds such objects.
 *
 * @param <H> the type of the handler
 */
final class Resolved<H> {

    private final Class<?> messageType;
    private final Class<H> type;
    private final Function<? super Class<H>, ? extends H> resolver;
    private final Place place = Place.here();

    Resolved(Class<?> messageType, Class<H> type, Function<? super Class<H>, ? extends H> resolver) {
        this.messageType = messageType;
        this.type = Objects.requireNonNull(type, "handler");
        this.resolver = Objects.requireNonNull(resolver, "resolver");
    }

    Class<H> type() {
        return type;
    }

    Place place() {
        return place;
    }

    /** Gives the handler of now; what the resolver throws reaches the caller. */
    H get() {
        Object found = resolver.apply(type); // an object, as a resolver with an unchecked cast may give anything
        if (!type.isInstance(found)) {
            throw wrong(found);
        }
        return type.cast(found);
    }

    private IllegalStateException wrong(Object found) {
        return new IllegalStateException("The resolver of " + type.getName() + ", registered for "
                + messageType.getName() + " at " + place + ", gave "
                + (found == null
                        ? "null; expected the handler. Bind it in the container, or have the resolver throw what is wrong."
                        : "a " + found.getClass().getName() + "; expected a " + type.getName()
                                + ". Register the handler by a type that what the container gives has: a proxy that"
                                + " is no subclass has the interfaces only."));
    }
}
