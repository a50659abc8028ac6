package dev.cqrs.concurrency;

import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.InMemoryEventStore;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** A reader sees a batch that begins in one chunk of the log, and of the tag, and ends in the next. */
@JCStressTest
@Outcome(id = "0", expect = Expect.ACCEPTABLE, desc = "The reader was first.")
@Outcome(id = "16", expect = Expect.ACCEPTABLE, desc = "The whole batch, each event complete.")
@Outcome(expect = Expect.FORBIDDEN, desc = "Part of a batch, or an event that is not complete.")
@State
public class PublishedAcrossChunks {

    private static final int BEFORE = 1_016;

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
        result.r1 = Stores.look(store, EventQuery.tagged(Stores.TAG), BEFORE);
    }
}
