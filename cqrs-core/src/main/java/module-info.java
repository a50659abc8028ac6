/**
 * The interfaces and values of the library: messages, buses, events, the event store, folds, deciders, projections.
 *
 * <p>It starts no thread, does no input or output, reads no clock, and depends on the JDK's {@code java.base} alone.
 */
module dev.cqrs.core {
    requires static org.jspecify;

    exports dev.cqrs.message;
    exports dev.cqrs.command;
    exports dev.cqrs.query;
    exports dev.cqrs.event;
    exports dev.cqrs.eventstore;
    exports dev.cqrs.decider;
    exports dev.cqrs.projection;
}
