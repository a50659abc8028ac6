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

/** A subscriber is not called any more once it has left, also for an event that is on its way. */
@JCStressTest
@Outcome(
        id = {"0, 0", "1, 0"},
        expect = Expect.ACCEPTABLE,
        desc = "It was called in time, or not at all.")
@Outcome(expect = Expect.FORBIDDEN, desc = "A call began after the subscription was closed.")
@State
public class UnsubscribeVsPublish {

    private final InMemoryEventBus bus = InMemoryEventBus.builder().build();
    private volatile boolean left;
    private volatile int calls;
    private volatile int late;
    private final EventBus.Subscription subscription = bus.subscribe(String.class, (String event) -> hear(event));

    private void hear(Object event) {
        if (left) {
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
     * @param result how often the subscriber was called, and whether after it had left
     */
    @Arbiter
    public void look(II_Result result) {
        result.r1 = calls;
        result.r2 = late;
    }
}
