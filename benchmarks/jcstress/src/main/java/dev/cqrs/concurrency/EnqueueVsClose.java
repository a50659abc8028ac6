package dev.cqrs.concurrency;

import dev.cqrs.queue.CommandQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** A queue that is closed while a command comes runs it or refuses it: what was accepted is not lost. */
@JCStressTest
@Outcome(id = "0, 0", expect = Expect.ACCEPTABLE, desc = "It was refused.")
@Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "It was accepted and run.")
@Outcome(expect = Expect.FORBIDDEN, desc = "It was accepted and not run, or run and refused.")
@State
public class EnqueueVsClose {

    private final AtomicInteger runs = new AtomicInteger();
    private final CommandQueue queue = Banks.queue(runs);

    /**
     * Enqueues.
     *
     * @param result whether it was accepted
     */
    @Actor
    public void enqueue(II_Result result) {
        try {
            queue.enqueue(Banks.PAYMENT);
            result.r1 = 1;
        } catch (IllegalStateException closed) {
            result.r1 = 0;
        }
    }

    /** Closes. */
    @Actor
    public void close() {
        queue.close();
    }

    /**
     * Looks.
     *
     * @param result how often it was run
     */
    @Arbiter
    public void look(II_Result result) {
        queue.close();
        result.r2 = runs.get();
    }
}
