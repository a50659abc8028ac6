package dev.cqrs.concurrency;

import dev.cqrs.event.Fold;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** Two threads fold an event of a class that the fold has not met: both take the step of its root. */
@JCStressTest
@Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "Both took the step.")
@Outcome(expect = Expect.FORBIDDEN, desc = "A step was missed.")
@State
public class FoldMeetsAClass {

    private final Fold<Integer> fold = Fold.from(0).on(Number.class, (sum, number) -> sum + number.intValue());

    /**
     * Folds.
     *
     * @param result the state
     */
    @Actor
    public void one(II_Result result) {
        result.r1 = fold.apply(0, 1);
    }

    /**
     * Folds as well.
     *
     * @param result the state
     */
    @Actor
    public void other(II_Result result) {
        result.r2 = fold.apply(0, 1);
    }
}
