package dev.cqrs.concurrency;

import dev.cqrs.queue.CommandQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** Whoever cancels the stage of a command that is being run cancels its telling, and not the command. */
@JCStressTest
@Outcome(id = "1, 0", expect = Expect.ACCEPTABLE, desc = "It was run, and told.")
@Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "It was run, and nobody wanted to know.")
@Outcome(expect = Expect.FORBIDDEN, desc = "It was not run, or twice, or the stage has no end.")
@State
public class CompleteVsCancel {

    private final AtomicInteger runs = new AtomicInteger();
    private final Banks.Held held = new Banks.Held();
    private final CommandQueue queue = Banks.queue(runs, held);
    private final CompletableFuture<Integer> stage =
            queue.enqueue(Banks.PAYMENT).toCompletableFuture();

    /** Runs it. */
    @Actor
    public void complete() {
        held.run();
    }

    /** Cancels the stage. */
    @Actor
    public void cancel() {
        stage.cancel(true);
    }

    /**
     * Looks.
     *
     * @param result how often it was run, and whether the stage was cancelled; 9 if it has not ended
     */
    @Arbiter
    public void look(II_Result result) {
        queue.close();
        result.r1 = runs.get();
        result.r2 = !stage.isDone() ? 9 : stage.isCancelled() ? 1 : 0;
    }
}
