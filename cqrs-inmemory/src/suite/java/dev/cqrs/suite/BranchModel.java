package dev.cqrs.suite;

import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog.CommandId;
import dev.cqrs.event.Catalog.CommandRefused;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.saga.SagaEvent;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.schedule.CommandSchedule.Cancellation;
import dev.cqrs.schedule.ScheduleEvent.Attempted;
import dev.cqrs.schedule.ScheduleEvent.Cancelled;
import dev.cqrs.schedule.ScheduleEvent.Claimed;
import dev.cqrs.schedule.ScheduleEvent.Ended;
import dev.cqrs.schedule.ScheduleEvent.Enqueued;
import dev.cqrs.schedule.ScheduleEvent.Outcome;
import dev.cqrs.schedule.ScheduleEvent.Recurred;
import dev.cqrs.schedule.ScheduleEvent.Released;
import dev.cqrs.schedule.ScheduleEvent.Timing;
import dev.cqrs.suite.Branch.Ask;
import dev.cqrs.suite.Branch.Asked;
import dev.cqrs.suite.Branch.Booked;
import dev.cqrs.suite.Branch.Credit;
import dev.cqrs.suite.Branch.Draw;
import dev.cqrs.suite.Branch.Move;
import dev.cqrs.suite.Branch.Order;
import dev.cqrs.suite.Branch.Pay;
import dev.cqrs.suite.Loans.Borrow;
import dev.cqrs.suite.Loans.Confirm;
import dev.cqrs.suite.Loans.Confirmed;
import dev.cqrs.suite.Loans.Name;
import dev.cqrs.suite.Loans.Note;
import dev.cqrs.suite.Loans.Noted;
import dev.cqrs.suite.Loans.Sign;
import dev.cqrs.suite.Loans.Signed;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What a branch may do and must do, in maps and loops: it reads both logs on, event by event, and knows by itself what each
 * order books, in which order, and what it answers.
 */
final class BranchModel {

    /** How long before now something was due that must have been done at rest. */
    private static final Duration SURELY = Duration.ofMinutes(5);

    private static final String TRANSFER = "transfer/";
    private static final Set<List<String>> POSSIBLE =
            Set.of(List.of("debit"), List.of("debit", "credit"), List.of("debit", "undo"));

    /** An order that was carried out, and what was in the account then. */
    private record Effect(int after) {}

    private static final class Stored {
        private final Enqueued mark;
        private final Order order;
        private boolean ended;
        private boolean cancelled;
        private int occurrences;
        private Instant next;

        Stored(Enqueued mark, Order order) {
            this.mark = mark;
            this.order = order;
            this.next = mark.due();
        }

        boolean repeats() {
            return mark.timing() == Timing.EVERY;
        }

        boolean isOver() {
            return ended || cancelled;
        }
    }

    private final EventStore domain;
    private final EventStore operations;
    private final Map<String, Order> orders = new HashMap<>();
    private final Map<String, Integer> balances = new TreeMap<>();
    private final Map<String, Effect> effects = new HashMap<>();
    private final Set<String> refused = new HashSet<>();
    private final List<Object> open = new ArrayList<>();
    private final Map<String, Asked> transfers = new LinkedHashMap<>();
    private final Map<String, List<String>> steps = new HashMap<>();
    private final Map<String, Stored> stored = new LinkedHashMap<>();
    private final Map<Integer, Instant> claims = new HashMap<>();
    private final Map<String, SagaEvent.Standing> standings = new HashMap<>();
    private final LoansModel loans = new LoansModel();
    private final Map<String, Long> reached = new HashMap<>();
    private final Map<String, Deque<String>> queued = new HashMap<>();
    private Position read = Position.START;
    private Position readOperations = Position.START;
    private @Nullable Enqueued enqueued;
    private int bookings;
    private int total;

    @SuppressWarnings("NullAway.Init")
    BranchModel(EventStore domain, EventStore operations) {
        this.domain = domain;
        this.operations = operations;
    }

    /** The text is put together only for what does not hold, as thousands of these hold in each history. */
    static void require(boolean holds, Supplier<String> what) {
        if (!holds) {
            throw new AssertionError(what.get());
        }
    }

    static <T> T known(@Nullable T found, String otherwise) {
        if (found == null) {
            throw new AssertionError(otherwise);
        }
        return found;
    }

    static void requireEqual(Object actual, Object expected, String what) {
        if (!actual.equals(expected)) {
            throw new AssertionError(what + ": " + actual + "; expected " + expected);
        }
    }

    /** What is about to be asked of the branch, in whatever way. */
    void order(String id, Order order) {
        orders.put(id, order);
    }

    // ---- what the branch answers

    void answered(String id, Object result) {
        readOn();
        var effect = known(effects.get(id), id + " was answered, but nothing was done");
        requireEqual(result, effect.after(), "the answer to " + id);
    }

    void refused(String id, Throwable thrown) {
        readOn();
        require(thrown instanceof RejectedException, () -> id + " was refused by " + thrown);
        require(!effects.containsKey(id), () -> id + " was rejected, but it was done");
        var order = order(id);
        int cents = order instanceof Draw draw ? draw.cents() : order instanceof Move move ? move.cents() : 0;
        require(balance(order.account()) < cents, () -> id + " was rejected with " + balance(order.account()));
    }

    void cancelled(String id, Cancellation answer) {
        readOn();
        count("schedule: " + answer);
        var there = stored.get(id);
        switch (answer) {
            case UNKNOWN -> require(there == null, () -> id + " is said to be unknown");
            case CANCELLED -> require(there != null && there.cancelled, () -> id + " is said to be cancelled");
            case TOO_LATE -> require(there != null && !there.cancelled, () -> id + " is said to be too late to cancel");
        }
    }

    boolean isCarriedOut(String id) {
        return effects.containsKey(id);
    }

    LoansModel loans() {
        return loans;
    }

    /** Counts what was reached, so that it is seen if something never is. */
    void count(String what) {
        reached.merge(what, 1L, Long::sum);
    }

    Map<String, Long> reached() {
        return reached;
    }

    void stored(String id) {
        readOn();
        require(stored.containsKey(id), () -> id + " is said to be stored");
    }

    // ---- the queue, whose commands die with the process

    void newProcess() {
        queued.clear();
    }

    void queued(String id) {
        queued.computeIfAbsent(order(id).account(), key -> new ArrayDeque<>()).add(id);
    }

    void dequeued(String id) {
        var first = queued.getOrDefault(order(id).account(), new ArrayDeque<>()).poll();
        require(id.equals(first), () -> id + " was carried out before " + first + ", which was enqueued before it");
    }

    void queueIsEmpty() {
        require(queued.values().stream().allMatch(Deque::isEmpty), () -> "enqueued and not carried out: " + queued);
    }

    // ---- the logs

    void readOn() {
        read = each(domain, read, this::booked);
        readOperations = each(operations, readOperations, this::marked);
        loans.check();
    }

    private static Position each(EventStore log, Position after, Consumer<RecordedEvent> consumer) {
        if (log.head().equals(after)) {
            return after;
        }
        try (var events = log.read(EventQuery.all(), ReadOptions.forwards().after(after))) {
            events.toList().forEach(consumer);
            return events.head();
        }
    }

    /** The events of an order come first, and its id behind them. */
    private void booked(RecordedEvent recorded) {
        if (recorded.event() instanceof Booked booked) {
            bookings++;
            open.add(booked);
            total += booked.cents();
            int now = balances.merge(booked.account(), booked.cents(), Integer::sum);
            require(now >= 0, () -> booked.account() + " is overdrawn: " + now);
            return;
        }
        if (recorded.event() instanceof Asked asked) {
            open.add(asked);
            require(transfers.put(asked.key(), asked) == null, () -> asked + " is there twice");
            return;
        }
        if (recorded.event() instanceof CommandRefused no) {
            require(open.isEmpty(), () -> no.id() + " was refused and did " + open);
            require(!effects.containsKey(no.id()), () -> no.id() + " was refused for good, but it was done");
            require(refused.add(no.id()), () -> no.id() + " was refused for good twice");
            return;
        }
        if (!(recorded.event() instanceof CommandId mark)) {
            open.add(recorded.event());
            loans.happened(recorded);
            return;
        }
        var id = mark.id();
        require(recorded.metadata().id().orElse("").equals(id), () -> "the metadata is of another than " + id);
        var order = order(id);
        requireEqual(open, bookings(order), "what " + id + " has booked");
        require(!refused.contains(id), () -> id + " was carried out, but it was refused for good");
        require(effects.put(id, new Effect(balance(order.account()))) == null, () -> id + " was carried out twice");
        open.clear();
        if (Name.isOne(id)) {
            loans.carriedOut(id);
        }
        if (id.startsWith(TRANSFER)) {
            var parts = id.split("/", -1);
            var done = steps.computeIfAbsent(parts[1], key -> new ArrayList<>());
            done.add(parts[3].startsWith("undo") ? "undo" : parts[2]);
            require(POSSIBLE.contains(done), () -> parts[1] + " has done " + done);
        }
    }

    private static List<Object> bookings(Order order) {
        if (order instanceof Ask ask) {
            return List.of(new Asked(ask.key(), ask.account(), ask.to(), ask.cents()));
        }
        if (order instanceof Borrow borrow) {
            return borrow.events();
        }
        if (order instanceof Note note) {
            return List.of(new Noted(note.key(), note.what()));
        }
        if (order instanceof Sign sign) {
            return List.of(new Signed(sign.key()));
        }
        if (order instanceof Confirm confirm) {
            return List.of(new Confirmed(confirm.key()));
        }
        if (order instanceof Credit credit) {
            return List.of(new Booked(credit.account(), credit.cents()));
        }
        if (order instanceof Pay pay) {
            return List.of(new Booked(pay.account(), pay.cents()));
        }
        if (order instanceof Draw draw) {
            return List.of(new Booked(draw.account(), -draw.cents()));
        }
        var move = (Move) order;
        return List.of(new Booked(move.account(), -move.cents()), new Booked(move.to(), move.cents()));
    }

    private void marked(RecordedEvent recorded) {
        var event = recorded.event();
        if (event instanceof SagaEvent mark) {
            count(mark.saga() + ": " + mark.input().cause());
            if (mark instanceof SagaEvent.Started started && started.version() > 1) {
                count(mark.saga() + ": under-version-" + started.version());
            }
            mark.outputs().forEach(output -> count(mark.saga() + ": " + output.effect()));
            if (mark.standing().state().isEnd()) {
                count(mark.saga() + ": ends-" + mark.standing().state());
            }
            if (mark.saga().equals("transfer")) {
                standings.put(mark.key(), mark.standing());
            }
            loans.marked(mark, recorded.recordedAt(), effects.keySet());
        } else if (event instanceof Enqueued mark) {
            enqueued = mark;
        } else if (event instanceof Order order && enqueued != null) {
            var id = enqueued.id();
            require(order.equals(order(id)), () -> id + " was stored as " + order);
            require(stored.put(id, new Stored(enqueued, order)) == null, () -> id + " is stored twice");
            enqueued = null; // commands of sagas stand there too
        } else if (event instanceof Claimed mark) {
            claims.put(mark.lane(), mark.until());
        } else if (event instanceof Released mark) {
            claims.remove(mark.lane());
        } else if (event instanceof Attempted mark) {
            there(mark.id()).next = mark.next();
        } else if (event instanceof Cancelled mark) {
            var command = there(mark.id());
            require(!command.isOver(), () -> mark.id() + " is cancelled after its end");
            command.cancelled = true;
        } else if (event instanceof Ended mark) {
            var command = there(mark.id());
            require(!command.isOver() && !command.repeats(), () -> mark.id() + " ends a second time");
            command.ended = true;
            checkOrder(mark.id(), command);
            checkOutcome(mark.id(), mark.result().outcome(), mark.result().attempts());
        } else if (event instanceof Recurred mark) {
            var command = there(mark.id());
            require(
                    command.repeats() && mark.occurrence() == ++command.occurrences,
                    () -> mark.id() + " recurs as " + mark);
            require(mark.next().isAfter(command.mark.due()), () -> mark.id() + " recurs before it begins");
            command.next = mark.next();
            checkOutcome(
                    mark.id() + "#" + mark.occurrence(),
                    mark.result().outcome(),
                    mark.result().attempts());
        }
    }

    private void checkOrder(String id, Stored ended) {
        for (var entry : stored.entrySet()) {
            if (entry.getKey().equals(id)) {
                return;
            }
            var earlier = entry.getValue();
            if (ended.mark.timing() == Timing.NOW
                    && earlier.mark.timing() == Timing.NOW
                    && earlier.order.account().equals(ended.order.account())
                    && !earlier.isOver()) {
                throw new AssertionError(id + " ends before " + entry.getKey() + ", which was stored before it");
            }
        }
    }

    private void checkOutcome(String id, Outcome outcome, int attempts) {
        count("schedule: " + outcome);
        switch (outcome) {
            case SUCCEEDED -> require(effects.containsKey(id), () -> id + " is said to have succeeded");
            case REJECTED -> require(!effects.containsKey(id), () -> id + " is said to have been rejected");
            case FAILED -> require(attempts == Branch.TRIES, () -> id + " is given up after " + attempts + " attempts");
        }
    }

    private Stored there(String id) {
        return known(stored.get(id), "a mark of " + id + ", which is not stored");
    }

    /** The time of one that runs again and again has a number behind the id. */
    private Order order(String id) {
        if (Name.isOne(id)) {
            return loans.order(id);
        }
        if (id.startsWith(TRANSFER)) {
            var parts = id.split("/", -1);
            var asked = known(transfers.get(parts[1]), "nobody asked for " + id);
            return parts[2].equals("credit")
                    ? new Credit(asked.to(), asked.cents())
                    : parts[3].startsWith("undo")
                            ? new Pay(asked.account(), asked.cents())
                            : new Draw(asked.account(), asked.cents());
        }
        int number = id.indexOf('#');
        return known(orders.get(number < 0 ? id : id.substring(0, number)), id + " was never ordered");
    }

    private int balance(String account) {
        return balances.getOrDefault(account, 0);
    }

    // ---- at rest

    void checkStored(Instant now) {
        readOn();
        stored.forEach((id, command) -> {
            if (!command.isOver() && !command.next.isAfter(now.minus(SURELY)) && !isHeldUp(command, now)) {
                throw new AssertionError(id + " was due at " + command.next + ", and has not run at " + now);
            }
        });
    }

    /** Where the clock was put back, a claim and what waits to be tried again last until it is there again. */
    private boolean isHeldUp(Stored command, Instant now) {
        return claims.getOrDefault(command.mark.lane(), Instant.MIN).isAfter(now)
                || stored.values().stream()
                        .anyMatch(other -> !other.isOver()
                                && other.order.account().equals(command.order.account())
                                && other.next.isAfter(now));
    }

    /** Money that was taken has arrived or is back, or is on its way where the clock was put back. */
    void checkTransfers(Instant now, Instant latest, Function<String, State> states) {
        transfers.forEach((key, asked) -> {
            var done = steps.getOrDefault(key, List.of());
            var state = states.apply(key);
            require(
                    switch (state) {
                        case COMPLETED -> done.equals(List.of("debit", "credit"));
                        case COMPENSATED -> done.isEmpty() || done.equals(List.of("debit", "undo"));
                        default -> isHeldUp(standings.get(key), now, latest);
                    },
                    () -> asked + " is " + state + ", and has done " + done + ": " + standings.get(key));
        });
    }

    /**
     * Where the clock was put back, what another engine had then lasts until it is there again and its lease is over, and so
     * does a rejection that may not be believed before. Nothing else waits for as long.
     */
    private static boolean isHeldUp(SagaEvent.@Nullable Standing standing, Instant now, Instant latest) {
        return standing != null
                && Stream.of(standing.wake(), standing.until())
                        .anyMatch(at -> !at.equals(Instant.EPOCH) && at.isAfter(now))
                && now.isBefore(latest.plus(SagaEngine.DEFAULT_LEASE));
    }

    int total() {
        return total;
    }

    Map<String, Integer> balances() {
        return balances;
    }

    int bookings() {
        return bookings;
    }
}
