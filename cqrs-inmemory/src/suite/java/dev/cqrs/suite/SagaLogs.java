package dev.cqrs.suite;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import java.time.Clock;

/** What the suites of sagas run over. */
public interface SagaLogs {

    /** Makes a log without events, by turns that of operations and the domain's. */
    EventStore emptyLog(Catalog catalog, Clock clock);

    /** Makes a store without checkpoints, which knows the class of "sagas". */
    CheckpointStore emptyCheckpoints();

    /** How many seeds the explorations try. */
    int seeds();
}
