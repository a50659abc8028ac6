package dev.cqrs.concurrency;

import dev.cqrs.inmemory.InMemoryCqrs;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** A view that is changed in place is read before or after an append, and never in the middle of its events. */
@JCStressTest
@Outcome(
        id = {"0, 0"},
        expect = Expect.ACCEPTABLE,
        desc = "Before.")
@Outcome(
        id = {"1, 1"},
        expect = Expect.ACCEPTABLE,
        desc = "After.")
@Outcome(expect = Expect.FORBIDDEN, desc = "Half an append.")
@State
public class InPlaceReadVsFold {

    private final InMemoryCqrs bank = Banks.inPlace();

    /** Pays into two accounts at once. */
    @Actor
    public void pay() {
        Banks.payBoth(bank);
    }

    /**
     * Reads both.
     *
     * @param result what is in each
     */
    @Actor
    public void read(II_Result result) {
        Banks.readBoth(bank, result);
    }
}
