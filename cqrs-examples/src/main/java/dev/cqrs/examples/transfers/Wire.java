package dev.cqrs.examples.transfers;

import dev.cqrs.command.CommandBus;
import dev.cqrs.examples.transfers.Bank.Credit;
import dev.cqrs.examples.transfers.Bank.Debit;
import dev.cqrs.examples.transfers.Transfer.BankDownException;
import dev.cqrs.examples.transfers.Transfer.NoAnswerException;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.message.Done;
import dev.cqrs.message.Metadata;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/**
 * The way to the banks: sure to the one here, and to the others as bad as a seed says.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
final class Wire {

    /** What happens to the transfer of an order on its way. */
    enum Fate {
        /** It arrives, and word of it comes back within the hour. */
        WELL,
        /** It arrives, and so does word of it, twice; the order itself, too. */
        TWICE,
        /** It arrives, but word of it comes back after three days, when nobody waits any more. */
        LATE,
        /** As late, and the other bank cannot be reached either when it is to give the money back. */
        LATE_AND_GONE,
        /** The line goes dead before it arrives, until somebody mends it. */
        DEAD_BEFORE,
        /** The line goes dead after it has arrived, until somebody mends it. */
        DEAD_AFTER
    }

    /** A time in which a bank is down. */
    private record Outage(Instant from, Instant to) {

        boolean isAt(Instant instant) {
            return !instant.isBefore(from) && instant.isBefore(to);
        }
    }

    private static final int DOWN_PERCENT_OF_DAYS = 8;
    private static final int LONGEST_OUTAGE_HOURS = 12;

    private final long seed;
    private final Agenda agenda;
    private final Map<String, Bank> banks;
    private final Consumer<String> confirm;
    private final Map<String, Outage> outages = new HashMap<>();
    private boolean mended;

    /**
     * Makes the wire.
     *
     * @param seed of what goes wrong
     * @param agenda on which word comes back
     * @param banks by their names
     * @param confirm takes word that the transfer of an order has arrived
     */
    Wire(long seed, Agenda agenda, Map<String, Bank> banks, Consumer<String> confirm) {
        this.seed = seed;
        this.agenda = agenda;
        this.banks = banks;
        this.confirm = confirm;
    }

    /** The bus on which sagas dispatch. */
    CommandBus bus() {
        return InMemoryCommandBus.builder()
                .handle(Debit.class, this::debit)
                .handle(Credit.class, this::credit)
                .build();
    }

    /** From now on nothing goes wrong any more. */
    void mend() {
        mended = true;
    }

    /** At the other bank this gives back what it was credited. */
    private Done debit(Debit command, Metadata metadata) {
        if (!command.bank().equals(Bank.HOME)) {
            checkUp(command.bank());
            if (!mended && fate(command.order()) == Fate.LATE_AND_GONE) {
                throw new BankDownException(command.bank());
            }
        }
        return bank(command.bank()).dispatch(command, metadata);
    }

    private Done credit(Credit command, Metadata metadata) {
        if (command.bank().equals(Bank.HOME)) {
            return bank(Bank.HOME).dispatch(command, metadata);
        }
        checkUp(command.bank());
        var fate = fate(command.order());
        if (fate == Fate.DEAD_BEFORE && !mended) {
            throw new NoAnswerException(command.bank());
        }
        var done = bank(command.bank()).dispatch(command, metadata);
        if (fate == Fate.TWICE) {
            bank(command.bank()).dispatch(command, metadata);
            answer(command.order(), Duration.ofMinutes(20));
        }
        boolean late = fate == Fate.LATE || fate == Fate.LATE_AND_GONE;
        answer(command.order(), late ? Duration.ofDays(3) : Duration.ofMinutes(30));
        if (fate == Fate.DEAD_AFTER && !mended) {
            throw new NoAnswerException(command.bank());
        }
        return done;
    }

    private void answer(String order, Duration after) {
        agenda.schedule(after, () -> confirm.accept(order));
    }

    private Bank bank(String name) {
        var bank = banks.get(name);
        if (bank == null) {
            throw new IllegalStateException("There is no bank " + name + "; expected one of " + banks.keySet() + ".");
        }
        return bank;
    }

    Fate fate(String order) {
        int percent = new SplittableRandom(seed * 31 + order.hashCode()).nextInt(100);
        if (percent < 86) {
            return Fate.WELL;
        }
        return percent < 90
                ? Fate.TWICE
                : percent < 94
                        ? Fate.LATE
                        : percent < 96 ? Fate.LATE_AND_GONE : percent < 98 ? Fate.DEAD_BEFORE : Fate.DEAD_AFTER;
    }

    private void checkUp(String bank) {
        var day = agenda.instant().truncatedTo(ChronoUnit.DAYS);
        var outage = outages.computeIfAbsent(bank + " on " + day, none -> outage(bank, day));
        if (!mended && outage.isAt(agenda.instant())) {
            throw new BankDownException(bank);
        }
    }

    /** Most days it lasts no time. */
    private Outage outage(String bank, Instant day) {
        var random = new SplittableRandom(seed * 31 + (bank + day).hashCode());
        var from = day.plus(Duration.ofHours(random.nextInt(12)));
        boolean down = random.nextInt(100) < DOWN_PERCENT_OF_DAYS;
        return new Outage(from, down ? from.plus(Duration.ofHours(1 + random.nextInt(LONGEST_OUTAGE_HOURS))) : from);
    }
}
