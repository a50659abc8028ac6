package dev.cqrs.concurrency;

import dev.cqrs.inmemory.InMemoryCqrs;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** Who waits for a position is woken when the view has it, and finds it there: no wake-up is lost. */
@JCStressTest
@Outcome(id = "1", expect = Expect.ACCEPTABLE, desc = "It waited, and read its payment.")
@Outcome(expect = Expect.FORBIDDEN, desc = "It was not woken, or woken too early.")
@State
public class AwaitVsApply {

    private final InMemoryCqrs bank = Banks.inline();

    /** Pays. */
    @Actor
    public void apply() {
        Banks.pay(bank);
    }

    /**
     * Waits, and reads.
     *
     * @param result what is in the view; -1 if nobody woke it
     */
    @Actor
    public void await(I_Result result) {
        result.r1 = Banks.await(bank);
    }
}
