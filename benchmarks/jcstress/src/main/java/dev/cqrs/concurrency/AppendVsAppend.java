package dev.cqrs.concurrency;

import dev.cqrs.inmemory.InMemoryEventStore;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** Two append on the condition that nothing is there: one of them does. */
@JCStressTest
@Outcome(
        id = {"1, 0", "0, 1"},
        expect = Expect.ACCEPTABLE,
        desc = "One appended, the other was told.")
@Outcome(expect = Expect.FORBIDDEN, desc = "Both, or none.")
@State
public class AppendVsAppend {

    private final InMemoryEventStore store = Stores.holding(0);

    /**
     * Appends where nothing is.
     *
     * @param result whether it did
     */
    @Actor
    public void one(II_Result result) {
        result.r1 = Stores.appendWhereNothingIs(store);
    }

    /**
     * Does the same.
     *
     * @param result whether it did
     */
    @Actor
    public void other(II_Result result) {
        result.r2 = Stores.appendWhereNothingIs(store);
    }
}
