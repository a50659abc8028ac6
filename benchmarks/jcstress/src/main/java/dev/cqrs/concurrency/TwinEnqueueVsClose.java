package dev.cqrs.concurrency;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** The planted twin of {@link EnqueueVsClose}: whether it is closed is asked before, and not with, the enqueuing. */
@JCStressTest
@Outcome(id = "0, 0", expect = Expect.ACCEPTABLE, desc = "It was refused.")
@Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "It was accepted and run.")
@Outcome(expect = Expect.FORBIDDEN, desc = "It was accepted and not run: what the twin is to show.")
@State
public class TwinEnqueueVsClose {

    private final AtomicInteger runs = new AtomicInteger();
    private final ConcurrentLinkedQueue<Runnable> queue = new ConcurrentLinkedQueue<>();
    private volatile boolean closed;

    /**
     * Enqueues.
     *
     * @param result whether it was accepted
     */
    @Actor
    public void enqueue(II_Result result) {
        if (!closed) {
            queue.add(runs::incrementAndGet);
            result.r1 = 1;
        }
    }

    /** Closes, and runs what is there. */
    @Actor
    public void close() {
        closed = true;
        for (var task = queue.poll(); task != null; task = queue.poll()) {
            task.run();
        }
    }

    /**
     * Looks.
     *
     * @param result how often it was run
     */
    @Arbiter
    public void look(II_Result result) {
        result.r2 = runs.get();
    }
}
