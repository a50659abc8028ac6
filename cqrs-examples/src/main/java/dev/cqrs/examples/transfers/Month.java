package dev.cqrs.examples.transfers;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.examples.statement.BankRecord.StandingOrder;
import dev.cqrs.examples.transfers.Bank.Confirmed;
import dev.cqrs.examples.transfers.Bank.Credit;
import dev.cqrs.examples.transfers.Bank.Debit;
import dev.cqrs.examples.transfers.Bank.OrderDue;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.saga.SagaEngine.Filter;
import dev.cqrs.saga.SagaFailure;
import dev.cqrs.saga.SagaInstance;
import dev.cqrs.saga.SagaInstance.State;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.IntConsumer;

/**
 * A month of a bank: on each of 28 days some standing orders come due, and sagas carry them out.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
final class Month implements AutoCloseable {

    private static final int DAYS = 28;
    private static final Instant FIRST_DAY = Instant.parse("1998-12-01T00:00:00Z");
    private static final Duration OPENING = Duration.ofHours(6);

    /** How many accounts of other banks are closed, and how many here lack a heller, in a hundred. */
    private static final int CLOSED_PERCENT = 2;

    private static final int SHORT_PERCENT = 2;

    private final List<StandingOrder> orders;
    private final Map<String, Long> amounts = new HashMap<>();
    private final Map<String, Bank> banks = new LinkedHashMap<>();
    private final Agenda agenda = new Agenda(FIRST_DAY);
    private final Bank home = new Bank(agenda);
    private final Wire wire;
    private final SagaEngine sagas;
    private final List<SagaFailure> failures = new ArrayList<>();

    /**
     * Opens the banks and their accounts.
     *
     * @param orders of the bank here, each to be carried out once
     * @param seed of what goes wrong
     */
    Month(List<StandingOrder> orders, long seed) {
        this.orders = List.copyOf(orders);
        openBanks(new SplittableRandom(seed));
        wire = new Wire(seed, agenda, banks, order -> record(new Confirmed(order)));
        var operations = new InMemoryEventStore(
                SagaEngine.catalog(Catalog.builder())
                        .event("order-due", OrderDue.class)
                        .event("confirmed", Confirmed.class)
                        .event("debit", Debit.class)
                        .event("credit", Credit.class)
                        .build(),
                agenda);
        sagas = SagaEngine.builder(operations, agenda)
                .name("sagas")
                .add(Transfer.SAGA)
                .domain(home.log())
                .build();
        sagas.start(wire.bus(), agenda, agenda, failures::add);
    }

    private void openBanks(SplittableRandom random) {
        var here = new LinkedHashMap<String, Long>();
        var there = new HashSet<String>();
        banks.put(Bank.HOME, home);
        for (var order : orders) {
            amounts.put(order.id(), order.amount());
            here.merge(order.account(), order.amount(), Long::sum);
            var bank = banks.computeIfAbsent(order.toBank(), name -> new Bank(agenda));
            boolean isNew = there.add(order.toBank() + " " + order.toAccount());
            if (isNew && random.nextInt(100) >= CLOSED_PERCENT) {
                bank.open(order.toAccount(), 0);
            }
        }
        here.forEach(
                (account, due) -> home.open(account, random.nextInt(100) < SHORT_PERCENT ? Math.max(0, due - 1) : due));
    }

    /** Something has happened here. */
    private void record(Object event) {
        home.log().append(List.of(event), AppendCondition.none());
    }

    /**
     * Has the month pass, and whatever follows from it.
     *
     * @param due is told how many orders have come due, at the end of each day
     */
    void pass(IntConsumer due) {
        int next = 0;
        for (int day = 0; day < DAYS; day++) {
            var morning = FIRST_DAY.plus(Duration.ofDays(day)).plus(OPENING);
            agenda.runUntil(morning);
            for (; next < orders.size() * (day + 1L) / DAYS; next++) {
                var order = orders.get(next);
                record(new OrderDue(order.id(), order.account(), order.toBank(), order.toAccount(), order.amount()));
            }
            agenda.runUntil(morning.plus(Duration.ofHours(12)));
            due.accept(next);
        }
        agenda.runAll();
    }

    /** Mends the wire, has those that are parked go on, and gives how many they were. */
    int resume() {
        wire.mend();
        var parked = parked();
        parked.forEach(transfer -> sagas.resume(transfer.saga(), transfer.key()));
        agenda.runAll();
        return parked.size();
    }

    /** The transfers that stand still until somebody decides. */
    List<SagaInstance> parked() {
        return sagas.list(Filter.all().in(State.PARKED), Integer.MAX_VALUE);
    }

    long count(State state) {
        return sagas.status().count(state);
    }

    /** What happened in the transfer of an order, as text. */
    String history(String order) {
        return sagas.history(Transfer.SAGA.name(), order);
    }

    /** What the banks say of the money. */
    Books books() {
        return Books.of(banks, amounts);
    }

    /** What sagas were told that went wrong. */
    List<SagaFailure> failures() {
        return List.copyOf(failures);
    }

    @Override
    public void close() {
        sagas.close();
        banks.values().forEach(Bank::close);
    }
}
