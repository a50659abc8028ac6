package dev.cqrs.concurrency;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** Who begins to follow the log and looks at it then is told of an append, or sees it: none falls in between. */
@JCStressTest
@Outcome(id = "1", expect = Expect.ACCEPTABLE, desc = "It was told, or it saw the events.")
@Outcome(expect = Expect.FORBIDDEN, desc = "Neither told nor seen.")
@State
public class FollowVsAppend {

    private final InMemoryEventStore store = Stores.holding(0);
    private volatile int told;
    private volatile int seen;

    /** Appends. */
    @Actor
    public void append() {
        Stores.append(store);
    }

    /** Follows, and looks then. */
    @Actor
    public void follow() {
        EventStore.Signal signal = (Position last) -> told = 1;
        store.onAppend(signal);
        if (store.head().value() > 0) {
            seen = 1;
        }
    }

    /**
     * Looks.
     *
     * @param result whether it knows of the append
     */
    @Arbiter
    public void look(I_Result result) {
        result.r1 = told | seen;
    }
}
