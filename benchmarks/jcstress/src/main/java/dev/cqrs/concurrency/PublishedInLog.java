package dev.cqrs.concurrency;

import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.InMemoryEventStore;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** A reader of the log sees events with everything that belongs to them. */
@JCStressTest
@Outcome(id = "0", expect = Expect.ACCEPTABLE, desc = "The reader was first.")
@Outcome(id = "16", expect = Expect.ACCEPTABLE, desc = "The whole batch, each event complete.")
@Outcome(expect = Expect.FORBIDDEN, desc = "Part of a batch, or an event that is not complete.")
@State
public class PublishedInLog {

    private static final int BEFORE = 0;

    private final InMemoryEventStore store = Stores.holding(BEFORE);

    /** Writes. */
    @Actor
    public void append() {
        Stores.append(store);
    }

    /**
     * Reads.
     *
     * @param result how many events it saw
     */
    @Actor
    public void read(I_Result result) {
        result.r1 = Stores.look(store, EventQuery.all(), BEFORE);
    }
}
