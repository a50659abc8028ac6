package dev.cqrs.inmemory;

import dev.cqrs.event.EventBus;

/** What a plug-in does with a bus: loaded by class loaders of their own, so it is found without the test's classes. */
public final class EventBusPlugin {

    private EventBusPlugin() {}

    /** An event of the plug-in's. */
    public record Plugged(int number) implements Runnable {
        @Override
        public void run() {}
    }

    /** Subscribes to an event of the plug-in's own and to one that all know, and publishes both. */
    public static AutoCloseable start(EventBus bus) {
        var own = bus.subscribe(Plugged.class, event -> {});
        var known = bus.subscribe(String.class, (event, metadata) -> {});
        bus.publish(new Plugged(1));
        bus.publish("known to all");
        return () -> {
            own.close();
            known.close();
            bus.publish(new Plugged(2)); // whom it reaches is kept, as no subscriber comes or leaves any more
        };
    }
}
