package dev.cqrs.concurrency;

import dev.cqrs.task.Alarm;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/**
 * What comes to wait for a time just when an alarm wakes is seen by who is woken, or the alarm is set for it, though it is mostly
 * asked without its lock.
 */
@JCStressTest
@Outcome(
        id = {"1, 0", "1, 1"},
        expect = Expect.ACCEPTABLE,
        desc = "It was seen.")
@Outcome(
        id = {"0, 1"},
        expect = Expect.ACCEPTABLE,
        desc = "The alarm was set for it.")
@Outcome(expect = Expect.FORBIDDEN, desc = "It was forgotten, until something else wakes.")
@State
public class SetVsWake {

    private static final Instant NOW = Instant.EPOCH;

    private final Alarm alarm = new Alarm((delay, task) -> timer(task), this::look, (again, thrown) -> {});
    private final List<Runnable> tasks = new ArrayList<>(2);
    private final ReentrantLock lock = new ReentrantLock();
    private boolean waits;
    private boolean seen;
    private final Runnable first;

    /** It is set for something else, whose time comes. */
    public SetVsWake() {
        alarm.set(NOW, NOW.plusSeconds(1));
        first = tasks.get(0);
    }

    private void timer(Runnable task) {
        lock.lock();
        try {
            tasks.add(task);
        } finally {
            lock.unlock();
        }
    }

    private void look() {
        lock.lock();
        try {
            seen = waits;
        } finally {
            lock.unlock();
        }
    }

    /** Comes to wait for a later time. */
    @Actor
    public void comeToWait() {
        lock.lock();
        try {
            waits = true;
        } finally {
            lock.unlock();
        }
        alarm.set(NOW, NOW.plusSeconds(2));
    }

    /** Wakes. */
    @Actor
    public void wake() {
        first.run();
    }

    /**
     * Looks.
     *
     * @param result whether it was seen, and whether the alarm was set again
     */
    @Arbiter
    public void tell(II_Result result) {
        result.r1 = seen ? 1 : 0;
        result.r2 = tasks.size() - 1;
    }
}
