package dev.cqrs.concurrency;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** The planted twin of {@link FollowVsAppend}: whom to tell is found out before the append, and not after it. */
@JCStressTest
@Outcome(id = "1", expect = Expect.ACCEPTABLE, desc = "It was told, or it saw the event.")
@Outcome(expect = Expect.FORBIDDEN, desc = "Neither told nor seen: what the twin is to show.")
@State
public class TwinFollowVsAppend {

    private final List<Runnable> signals = new CopyOnWriteArrayList<>();
    private volatile int head;
    private volatile int told;
    private volatile int seen;

    /** Appends. */
    @Actor
    public void append() {
        var known = List.copyOf(signals);
        head = 1;
        known.forEach(Runnable::run);
    }

    /** Follows, and looks then. */
    @Actor
    public void follow() {
        signals.add(() -> told = 1);
        if (head > 0) {
            seen = 1;
        }
    }

    /**
     * Looks.
     *
     * @param result whether it knows of the append
     */
    @Arbiter
    public void look(I_Result result) {
        result.r1 = told | seen;
    }
}
