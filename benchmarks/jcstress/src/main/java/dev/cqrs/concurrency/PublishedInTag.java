package dev.cqrs.concurrency;

import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.InMemoryEventStore;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** A reader of a tag sees them too, while the list of its events grows from four places to thirty-two. */
@JCStressTest
@Outcome(id = "0", expect = Expect.ACCEPTABLE, desc = "The reader was first.")
@Outcome(id = "16", expect = Expect.ACCEPTABLE, desc = "The whole batch, each event complete.")
@Outcome(expect = Expect.FORBIDDEN, desc = "Part of a batch, or an event that is not complete.")
@State
public class PublishedInTag {

    private static final int BEFORE = 3;

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
