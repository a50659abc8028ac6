package dev.cqrs.concurrency;

import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** The planted twin of {@link AppendVsAppend}: the condition is checked before the append, and not with it. */
@JCStressTest
@Outcome(
        id = {"1, 0", "0, 1"},
        expect = Expect.ACCEPTABLE,
        desc = "One appended, the other was told.")
@Outcome(expect = Expect.FORBIDDEN, desc = "Both: what the twin is to show.")
@State
public class TwinAppendVsAppend {

    private final AtomicInteger head = new AtomicInteger();

    /**
     * Appends where nothing is.
     *
     * @param result whether it did
     */
    @Actor
    public void one(II_Result result) {
        result.r1 = append();
    }

    /**
     * Does the same.
     *
     * @param result whether it did
     */
    @Actor
    public void other(II_Result result) {
        result.r2 = append();
    }

    private int append() {
        if (head.get() > 0) {
            return 0;
        }
        head.incrementAndGet();
        return 1;
    }
}
