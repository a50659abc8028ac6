package dev.cqrs.concurrency;

import dev.cqrs.inmemory.InMemoryCqrs;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;

/** An application that is closed while a command comes carries it out or refuses it, and refuses the next one. */
@JCStressTest
@Outcome(
        id = {"0, 0, 0"},
        expect = Expect.ACCEPTABLE,
        desc = "It was refused.")
@Outcome(
        id = {"1, 1, 0"},
        expect = Expect.ACCEPTABLE,
        desc = "It was carried out.")
@Outcome(
        expect = Expect.FORBIDDEN,
        desc = "A command was told to be refused and carried out, or the other way round; or one was taken after the"
                + " close.")
@State
public class CloseVsDispatch {

    private final InMemoryCqrs bank = Banks.inline();

    /**
     * Dispatches.
     *
     * @param result whether it was taken
     */
    @Actor
    public void dispatch(III_Result result) {
        result.r1 = Banks.pay(bank);
    }

    /** Closes. */
    @Actor
    public void close() {
        bank.close();
    }

    /**
     * Looks.
     *
     * @param result how many events there are, and whether another command is taken
     */
    @Arbiter
    public void look(III_Result result) {
        result.r2 = (int) bank.store().head().value();
        result.r3 = Banks.pay(bank);
    }
}
