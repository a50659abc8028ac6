package dev.cqrs.concurrency;

import dev.cqrs.event.EventBus;
import dev.cqrs.inmemory.InMemoryEventBus;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/**
 * Who has left is not called any more, also for an event that is on its way: the subscriber before it sees that it has left,
 * on the thread that publishes.
 *
 * <p>That no call is in its first steps on another thread, just decided on, nobody can promise who does not wait for it.
 */
@JCStressTest
@Outcome(
        id = {"0, 0", "1, 0"},
        expect = Expect.ACCEPTABLE,
        desc = "It was called in time, or not at all.")
@Outcome(expect = Expect.FORBIDDEN, desc = "It was called though its subscription was closed before its turn.")
@State
public class UnsubscribeVsPublish {

    private final InMemoryEventBus bus = InMemoryEventBus.builder().build();
    private volatile boolean left;
    private boolean leftBefore;
    private int calls;
    private int late;
    private final EventBus.Subscription subscription;

    /** Two subscribers, of whom the second leaves. */
    public UnsubscribeVsPublish() {
        bus.subscribe(String.class, (String event) -> leftBefore = left);
        subscription = bus.subscribe(String.class, (String event) -> hear());
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
        bus.publish("event");
    }

    /** Leaves. */
    @Actor
    public void leave() {
        subscription.close();
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
