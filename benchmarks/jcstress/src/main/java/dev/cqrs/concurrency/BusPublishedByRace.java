package dev.cqrs.concurrency;

import dev.cqrs.command.CommandBus;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** A bus that another thread finds in a plain field is whole: its handlers and interceptors are there. */
@JCStressTest
@Outcome(id = "0", expect = Expect.ACCEPTABLE, desc = "Not there yet.")
@Outcome(id = "1", expect = Expect.ACCEPTABLE, desc = "There, and its handler answered.")
@Outcome(expect = Expect.FORBIDDEN, desc = "A bus without its handler.")
@State
public class BusPublishedByRace {

    private CommandBus bus; // not volatile: that is the point

    /** Builds it. */
    @Actor
    public void build() {
        bus = Banks.bus();
    }

    /**
     * Sends by it.
     *
     * @param result what the handler gave; -1 if there was none
     */
    @Actor
    public void send(I_Result result) {
        var found = bus;
        try {
            result.r1 = found == null ? 0 : found.dispatch(Banks.PAYMENT);
        } catch (RuntimeException broken) {
            result.r1 = -1;
        }
    }
}
