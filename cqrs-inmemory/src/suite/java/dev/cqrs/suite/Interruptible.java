package dev.cqrs.suite;

import dev.cqrs.eventstore.EventStore;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.channels.ClosedByInterruptException;

/** A log that cannot be written by a thread that is interrupted, as those on files and sockets may be. */
final class Interruptible {

    private Interruptible() {}

    static EventStore of(EventStore log) {
        return (EventStore) Proxy.newProxyInstance(
                EventStore.class.getClassLoader(), new Class<?>[] {EventStore.class}, (proxy, method, args) -> {
                    if (method.getName().equals("append")
                            && Thread.currentThread().isInterrupted()) {
                        throw new IllegalStateException(new ClosedByInterruptException());
                    }
                    try {
                        return method.invoke(log, args);
                    } catch (InvocationTargetException thrown) {
                        throw thrown.getTargetException();
                    }
                });
    }
}
