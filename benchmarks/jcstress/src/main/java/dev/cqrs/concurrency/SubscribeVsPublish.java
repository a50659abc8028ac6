package dev.cqrs.concurrency;

import dev.cqrs.inmemory.InMemoryEventBus;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** Who subscribes while a class is published for the first time hears the next one: no route without him is kept. */
@JCStressTest
@Outcome(
        id = {"0, 1", "1, 1"},
        expect = Expect.ACCEPTABLE,
        desc = "It heard the first event or not, and the next one.")
@Outcome(expect = Expect.FORBIDDEN, desc = "The next event did not reach the subscriber.")
@State
public class SubscribeVsPublish {

    private final InMemoryEventBus bus = InMemoryEventBus.builder().build();
    private volatile int calls;

    /**
     * Publishes.
     *
     * @param result how many were called
     */
    @Actor
    public void publish(II_Result result) {
        result.r1 = bus.publish("event");
    }

    /** Comes. */
    @Actor
    public void subscribe() {
        bus.subscribe(String.class, (String event) -> calls++);
    }

    /**
     * Publishes once more.
     *
     * @param result how many were called
     */
    @Arbiter
    public void publishAgain(II_Result result) {
        result.r2 = bus.publish("event");
    }
}
