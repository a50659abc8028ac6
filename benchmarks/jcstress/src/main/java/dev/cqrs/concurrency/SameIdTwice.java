package dev.cqrs.concurrency;

import dev.cqrs.inmemory.InMemoryCqrs;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;

/** A command that is sent twice under one id at the same time has one effect, and gives its result twice. */
@JCStressTest
@Outcome(id = "1, 1, 2", expect = Expect.ACCEPTABLE, desc = "One payment, with its mark; both were told of it.")
@Outcome(expect = Expect.FORBIDDEN, desc = "Two effects, or another result.")
@State
public class SameIdTwice {

    private final InMemoryCqrs bank = Banks.idempotent();

    /**
     * Sends it.
     *
     * @param result what it gave
     */
    @Actor
    public void once(III_Result result) {
        result.r1 = bank.dispatch(Banks.PAYMENT, Banks.ID);
    }

    /**
     * Sends it as well.
     *
     * @param result what it gave
     */
    @Actor
    public void again(III_Result result) {
        result.r2 = bank.dispatch(Banks.PAYMENT, Banks.ID);
    }

    /**
     * Looks.
     *
     * @param result how many events there are
     */
    @Arbiter
    public void look(III_Result result) {
        result.r3 = (int) bank.store().head().value();
    }
}
