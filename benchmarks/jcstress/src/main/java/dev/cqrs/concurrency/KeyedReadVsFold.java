package dev.cqrs.concurrency;

import dev.cqrs.inmemory.InMemoryCqrs;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** A view with a state for each key is read without a lock, before or after an append as well. */
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
public class KeyedReadVsFold {

    private final InMemoryCqrs bank = Banks.keyed();

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
