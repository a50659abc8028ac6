package dev.cqrs.concurrency;

import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** The planted twin of {@link UnsubscribeVsPublish}: a list that is copied, whose readers go on over the old one. */
@JCStressTest
@Outcome(
        id = {"0, 0", "1, 0"},
        expect = Expect.ACCEPTABLE,
        desc = "It was called in time, or not at all.")
@Outcome(
        expect = Expect.FORBIDDEN,
        desc = "It was called though it had left before its turn: what the twin is to show.")
@State
public class TwinUnsubscribeVsPublish {

    private final CopyOnWriteArrayList<Consumer<Object>> subscribers = new CopyOnWriteArrayList<>();
    private final Consumer<Object> own = event -> hear();
    private volatile boolean left;
    private boolean leftBefore;
    private int calls;
    private int late;

    /** Two subscribers, of whom the second leaves. */
    public TwinUnsubscribeVsPublish() {
        subscribers.add(event -> leftBefore = left);
        subscribers.add(own);
    }

    private void hear() {
        if (leftBefore) {
            late = 1;
        }
        calls++;
    }

    /** Publishes. */
    @Actor
    public void publish() {
        subscribers.forEach(subscriber -> subscriber.accept("event"));
    }

    /** Leaves. */
    @Actor
    public void leave() {
        subscribers.remove(own);
        left = true;
    }

    /**
     * Looks.
     *
     * @param result how often the second was called, and whether after it had left
     */
    @Arbiter
    public void look(II_Result result) {
        result.r1 = calls;
        result.r2 = late;
    }
}
