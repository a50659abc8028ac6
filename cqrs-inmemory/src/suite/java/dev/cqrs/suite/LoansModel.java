package dev.cqrs.suite;

import static dev.cqrs.suite.BranchModel.known;
import static dev.cqrs.suite.BranchModel.require;

import dev.cqrs.event.RecordedEvent;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.saga.SagaEngine.Cancellation;
import dev.cqrs.saga.SagaEvent;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Effect;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.suite.Branch.Draw;
import dev.cqrs.suite.Branch.Move;
import dev.cqrs.suite.Branch.Order;
import dev.cqrs.suite.Branch.Pay;
import dev.cqrs.suite.Loans.Borrowed;
import dev.cqrs.suite.Loans.Confirmed;
import dev.cqrs.suite.Loans.Name;
import dev.cqrs.suite.Loans.Note;
import dev.cqrs.suite.Loans.Noted;
import dev.cqrs.suite.Loans.Release;
import dev.cqrs.suite.Loans.Signed;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What loans and their reminders may do: what was carried out, in which order, against what the sagas say of it. Steps that
 * an operator had left out may have been carried out or not.
 */
final class LoansModel {

    /** The place of a step among the others. */
    private static int stage(String step) {
        return switch (step) {
            case "reserve", "remind" -> 0;
            case "check", "rate", "enter", "score", "close", "greet" -> 1;
            case "pay" -> 2;
            case "tell" -> 3;
            case "file" -> 4;
            case "thank" -> 5;
            default -> throw new AssertionError("an unknown step: " + step);
        };
    }

    private static final Set<String> OF_BOTH = Set.of("reserve", "enter", "score", "pay", "tell", "file");
    private static final int MOST_VISITS = 15;
    private static final Set<String> UNDONE = Set.of("reserve", "check", "rate");

    /** What of an instance was carried out, and what is said of it. */
    private static final class Instance {
        private final String name;
        private final Loan loan;
        private final List<String> done = new ArrayList<>();
        private final Set<String> skipped = new LinkedHashSet<>();
        private final List<String> early = new ArrayList<>();
        private int version;
        private Instant moved = Instant.MIN;
        private boolean passing;
        private boolean cancelled;
        private boolean skips;
        private boolean stops;
        private @Nullable State ended;

        Instance(String name, Loan loan) {
            this.name = name;
            this.loan = loan;
        }

        boolean isLoan() {
            return name.startsWith("loan/");
        }

        boolean isSeenTo(String step) {
            return done.contains(step) || skipped.contains(step);
        }

        @Override
        public String toString() {
            return name + " version " + version + ", which has done " + done
                    + (skipped.isEmpty() ? "" : " without " + skipped)
                    + (ended == null ? "" : " and is " + ended);
        }
    }

    private static final class Loan {
        private final Borrowed asked;
        private final Instant at;
        private @Nullable Instant signed;
        private @Nullable Instant confirmed;

        Loan(Borrowed asked, Instant at) {
            this.asked = asked;
            this.at = at;
        }
    }

    private final Map<String, Loan> loans = new LinkedHashMap<>();
    private final Map<String, Instance> instances = new LinkedHashMap<>();
    private final Set<Instance> changed = new LinkedHashSet<>();
    private final Set<String> withoutEffect = new HashSet<>();
    private String written = "";
    private boolean mixed;
    private boolean wentBack;

    // ---- what is done to them

    void released(Release release) {
        mixed |= release.mixes();
    }

    /** From here on it cannot be told by the log what came in time. */
    void clockWentBack() {
        wentBack = true;
    }

    void isSkipped(String saga, String key) {
        var instance = instances.get(saga + "/" + key);
        if (instance != null) {
            instance.skips = true;
        }
    }

    void isCancelled(String saga, String key) {
        var instance = instances.get(saga + "/" + key);
        if (instance != null) {
            instance.stops = true;
        }
    }

    void cancelled(String saga, String key, Cancellation answer) {
        var instance = instances.get(saga + "/" + key);
        switch (answer) {
            case CANCELLED -> {
                var known = known(instance, "cancelled, but not there: " + key);
                require(known.ended != State.COMPLETED, () -> known + " is said to be cancelled");
                known.cancelled |= !known.passing; // what is just being paid may go on
            }
            case TOO_LATE -> {
                var known = known(instance, "too late to cancel, but not there: " + key);
                require(
                        known.ended != null || known.isSeenTo("pay"),
                        () -> "it is said to be too late to cancel " + known);
            }
            case UNSURE, UNKNOWN -> {}
        }
    }

    // ---- what happened

    /** An event of the domain's log. */
    void happened(RecordedEvent recorded) {
        var event = recorded.event();
        if (event instanceof Noted noted) {
            written = noted.what();
        } else if (event instanceof Borrowed asked) {
            var loan = new Loan(asked, recorded.recordedAt());
            require(loans.put(asked.key(), loan) == null, () -> asked + " is there twice");
            for (var name : List.of("loan/" + asked.key(), "reminder/" + asked.key())) {
                instances.put(name, new Instance(name, loan));
            }
        } else if (event instanceof Signed signed && loans.containsKey(signed.key())) {
            var loan = loans.get(signed.key());
            loan.signed = loan.signed == null ? recorded.recordedAt() : loan.signed;
        } else if (event instanceof Confirmed confirmed && loans.containsKey(confirmed.key())) {
            var loan = loans.get(confirmed.key());
            loan.confirmed = loan.confirmed == null ? recorded.recordedAt() : loan.confirmed;
        }
    }

    /** What the command of a step is, which the model knows by itself. */
    Order order(String id) {
        var name = Name.of(id);
        var asked = known(loans.get(name.key()), "nobody has borrowed for " + id).asked;
        var vault = Loans.vault(asked.key());
        return switch (name.step()) {
            case "reserve" -> new Pay(vault, asked.cents());
            case "-reserve" -> new Draw(vault, asked.cents());
            case "pay" -> new Move(vault, asked.account(), asked.cents());
            default -> new Note(asked.key(), paper(name));
        };
    }

    /** A number does not say what a reminder writes. */
    private String paper(Name name) {
        return name.saga().equals("loan") ? name.step() : written;
    }

    void carriedOut(String id) {
        require(!withoutEffect.contains(id), () -> id + " was carried out, but is said to have had no effect");
        var name = Name.of(id);
        var instance = known(instances.get(name.instance()), "nobody has borrowed for " + id);
        var step = instance.isLoan() ? name.step() : written;
        require(!instance.done.contains(step), () -> id + " was carried out a second time by " + instance);
        if ((step.equals("pay") && instance.loan.signed == null)
                || (step.equals("file") && instance.loan.confirmed == null)) {
            instance.early.add(step);
        }
        instance.done.add(step);
        changed.add(instance);
    }

    /** An event of the operations log. */
    void marked(SagaEvent mark, Instant at, Set<String> carriedOut) {
        var instance = instances.get(mark.saga() + "/" + mark.key());
        if (instance == null) {
            return; // a transfer
        }
        require(instance.ended == null, () -> instance + ", but goes on with " + mark);
        if (mark instanceof SagaEvent.Started started) {
            require(instance.version == 0, () -> instance + " is started a second time");
            instance.version = started.version();
        }
        instance.moved = at;
        var input = mark.input();
        if (input.cause() == Cause.SKIPPED) {
            require(instance.skips, () -> instance + " has a step left out by nobody");
            instance.skipped.add((input.undo() ? "-" : "") + input.step());
        } else if (input.cause() == Cause.FAILED
                || input.cause() == Cause.REFUSED
                || input.cause() == Cause.NO_EFFECT) {
            var id = SagaEngine.commandId(mark.saga(), mark.key(), input.step(), input.undo(), input.attempt());
            require(!carriedOut.contains(id), () -> id + " is said to have had no effect, but was carried out");
            withoutEffect.add(id);
        }
        for (var output : mark.outputs()) {
            if (output.effect() == Effect.FAIL && output.reason().contains("\"signed\"")) {
                var signed = instance.loan.signed;
                require(
                        wentBack || signed == null || !signed.isBefore(instance.loan.at.plus(Loans.TO_SIGN)),
                        () -> instance + " was signed in time at " + signed + ", and fails as if it was not");
            }
            instance.passing |= output.effect() == Effect.PIVOT;
        }
        if (mark.standing().state().isEnd()) {
            instance.ended = mark.standing().state();
        }
        changed.add(instance);
    }

    // ---- what must hold

    /** When both logs are read. */
    void check() {
        for (var instance : changed) {
            checkOrder(instance);
            var ended = instance.ended;
            if (ended != null) {
                require(
                        instance.isLoan() ? isTrue(instance, ended) : isTrueOfReminder(instance, ended),
                        () -> "that is not true of " + instance);
            }
        }
        changed.clear();
    }

    private void checkOrder(Instance instance) {
        int stage = 0;
        boolean back = false;
        var before = new ArrayList<String>();
        for (var step : instance.done) {
            boolean undoes = step.startsWith("-");
            int own = stage(undoes ? step.substring(1) : step);
            if (undoes) {
                require(before.contains(step.substring(1)), () -> step + " undoes nothing in " + instance);
                require(!back || own <= stage, () -> "not undone in reverse order: " + instance);
                require(
                        !instance.isSeenTo("pay") || instance.done.indexOf("pay") > instance.done.indexOf(step),
                        () -> "undone behind the pivot: " + instance);
                back = true;
                stage = own;
            } else if (!instance.skipped.contains(step) && (instance.isLoan() || instance.skipped.isEmpty())) {
                require(!back && own >= stage, () -> "not in its order: " + instance);
                require(
                        !instance.early.contains(step) || instance.skipped.contains(awaitedBy(step)),
                        () -> step + " was done before its event came: " + instance);
                stage = own;
                for (var earlier : before(instance, step)) {
                    require(
                            stage(earlier) >= own || before.contains(earlier) || instance.skipped.contains(earlier),
                            () -> step + " was done before " + earlier + ": " + instance);
                }
            }
            before.add(step);
        }
        var signed = instance.loan.signed;
        if (!wentBack && signed != null && signed.isBefore(instance.loan.at.plus(Loans.TO_REMIND))) {
            require(!instance.done.contains("remind"), () -> "reminded of what was signed in time: " + instance);
        }
    }

    private Set<String> before(Instance instance, String step) {
        return instance.isLoan() ? expected(instance) : step.equals("close") ? Set.of("remind") : Set.of();
    }

    private static String awaitedBy(String step) {
        return step.equals("pay") ? "signed" : "confirmed";
    }

    /** All steps that it must have, whichever version it goes on under. */
    private Set<String> expected(Instance instance) {
        var steps = new HashSet<>(OF_BOTH);
        if (instance.version == 2) {
            steps.addAll(Set.of("rate", "thank"));
        } else if (!mixed) {
            steps.add("check");
        }
        return steps;
    }

    private boolean isTrue(Instance loan, State said) {
        boolean back = loan.done.stream().anyMatch(step -> step.startsWith("-"))
                || loan.skipped.stream().anyMatch(step -> step.startsWith("-"));
        var expected = expected(loan);
        boolean through = !back && expected.stream().allMatch(loan::isSeenTo);
        boolean undone = !loan.isSeenTo("pay")
                && UNDONE.stream()
                        .allMatch(step ->
                                !loan.done.contains(step) || loan.skipped.contains(step) || loan.isSeenTo("-" + step));
        return switch (said) {
            case COMPLETED ->
                through && loan.skipped.isEmpty() && !loan.cancelled && (mixed || loan.done.size() == expected.size());
            case COMPENSATED -> undone && loan.skipped.isEmpty();
            case INCOMPLETE -> !loan.skipped.isEmpty() && (through || undone);
            default -> false;
        };
    }

    private static boolean isTrueOfReminder(Instance reminder, State said) {
        return switch (said) {
            case COMPLETED ->
                !reminder.cancelled
                        && reminder.skipped.isEmpty()
                        && (reminder.done.contains("close") != reminder.done.contains("greet"));
            case INCOMPLETE -> reminder.stops || !reminder.skipped.isEmpty();
            default -> false;
        };
    }

    /**
     * All have ended, but for those of a version that no engine has now, and those that an operator is still at.
     *
     * @param since when an operator was here last but one
     * @param visits how often he was at an instance
     */
    void checkAtRest(Release running, Instant since, Map<String, Integer> visits, Function<Name, Object> found) {
        for (var instance : instances.values()) {
            boolean had = !instance.isLoan() || instance.version < 2 || running.has(2);
            boolean goesOn = instance.moved.isAfter(since) && visits.getOrDefault(instance.name, 0) <= MOST_VISITS;
            if (instance.ended == null && had && !goesOn) {
                throw new AssertionError(
                        instance + " has not ended at rest: " + found.apply(Name.of(instance.name + "//")));
            }
        }
    }
}
