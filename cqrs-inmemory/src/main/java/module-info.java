/** In-memory buses and stores, and the engines that run over any store. */
module dev.cqrs.inmemory {
    requires transitive dev.cqrs.core;
    requires static jdk.jfr; // where it is there, and somebody records, projections tell what they do
    requires static org.jspecify;

    exports dev.cqrs.gather;
    exports dev.cqrs.imports;
    exports dev.cqrs.inmemory;
    exports dev.cqrs.interceptor;
    exports dev.cqrs.journal;
    exports dev.cqrs.live;
    exports dev.cqrs.queue;
    exports dev.cqrs.runtime;
    exports dev.cqrs.saga;
    exports dev.cqrs.schedule;
}
