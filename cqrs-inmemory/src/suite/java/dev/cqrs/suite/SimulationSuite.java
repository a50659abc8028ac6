package dev.cqrs.suite;

import static dev.cqrs.suite.BranchModel.require;
import static dev.cqrs.suite.BranchModel.requireEqual;
import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.runtime.ProjectionStatus.State;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.saga.SagaEngine.Filter;
import dev.cqrs.saga.SagaEngine.Finding;
import dev.cqrs.saga.SagaInstance;
import dev.cqrs.schedule.CommandSchedule.Cancellation;
import dev.cqrs.suite.Branch.Ask;
import dev.cqrs.suite.Branch.Draw;
import dev.cqrs.suite.Branch.Move;
import dev.cqrs.suite.Branch.Order;
import dev.cqrs.suite.Branch.Pay;
import dev.cqrs.suite.Loans.Borrow;
import dev.cqrs.suite.Loans.Confirm;
import dev.cqrs.suite.Loans.Release;
import dev.cqrs.suite.Loans.Sign;
import dev.cqrs.suite.Loans.Troubles;
import dev.cqrs.testing.SimulatedCrash;
import dev.cqrs.testing.Simulation;
import dev.cqrs.testing.Simulation.Fault;
import dev.cqrs.testing.Simulation.InjectedException;
import dev.cqrs.testing.Simulation.Tally;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The whole library in a simulation, over stores of the extending class. */
public abstract class SimulationSuite {

    /** Makes a log without events. */
    protected abstract EventStore emptyLog(Catalog catalog, Clock clock);

    /** Makes a store without checkpoints, which knows the classes of {@link Branch}. */
    protected abstract CheckpointStore emptyCheckpoints();

    /** How many histories are run. */
    protected abstract int histories();

    /** The seed of the first. */
    protected long firstSeed() {
        return Long.getLong("dev.cqrs.simulation.firstSeed", 1);
    }

    /** How many are run at once, each on one thread. */
    protected int threads() {
        return Integer.getInteger(
                "dev.cqrs.simulation.threads", Runtime.getRuntime().availableProcessors());
    }

    /** What is done with a branch. */
    sealed interface Deed {}

    /** At once. */
    record Direct(Order order) implements Deed {}

    /** Soon, in this process. */
    record Queued(Order order) implements Deed {}

    /** After a time, in whichever process. */
    record Stored(Order order, Duration delay) implements Deed {}

    /** Again and again. */
    record Standing(Pay order, Duration period) implements Deed {}

    record Cancel(String stored) implements Deed {}

    /** What an operator does to a process. */
    record Operate(Operation operation, String saga, String key) implements Deed {}

    enum Operation {
        CANCEL,
        RESUME,
        SKIP,
        RETRY,
        SETTLE
    }

    /** From the next start on. */
    record Deploy(Release release) implements Deed {}

    private static final Duration REST = Duration.ofMinutes(15);
    private static final Duration NEARLY_REST = Duration.ofMinutes(14);
    private static final Duration VISIT = Duration.ofMinutes(1);

    /** What a run of many histories has to reach, each of it often. */
    private static final List<String> REACHED = Stream.of(
                    "transfer: REFUSED UNSURE RETURNED HELD RELEASED ends-COMPLETED ends-COMPENSATED",
                    "loan: EVENT RETURNED REFUSED FAILED UNSURE DUE HELD RELEASED RESUMED SKIPPED CANCELLED TOOK_EFFECT NO_EFFECT under-version-2",
                    "loan: PIVOT AGAIN REDO AWAIT DROP FIRED FAIL BACK LEAVE STICK PARK",
                    "loan: ends-COMPLETED ends-COMPENSATED ends-INCOMPLETE",
                    "reminder: EVENT RETURNED REFUSED FAILED UNSURE DUE RESUMED SKIPPED CANCELLED",
                    "reminder: TIMER AGAIN REDO DROP FIRED PARK STICK ends-COMPLETED ends-INCOMPLETE",
                    "operator: CANCEL-CANCELLED CANCEL-TOO_LATE CANCEL-UNSURE RESUME-true SKIP-true RETRY-true",
                    "schedule: SUCCEEDED REJECTED CANCELLED TOO_LATE UNKNOWN")
            .flatMap(line -> {
                var words = line.split(" ");
                return Stream.of(words).skip(1).map(word -> words[0] + " " + word);
            })
            .toList();

    private static final Operation[] VISITS = {
        Operation.RESUME, Operation.SETTLE, Operation.CANCEL, Operation.SETTLE, Operation.SKIP, Operation.RETRY
    };

    private static final Pattern STEP = Pattern.compile("step \"([a-z0-9]+)\"", Pattern.CASE_INSENSITIVE);

    /** The id of the command at which an instance is parked, in the reason. */
    private static final Pattern COMMAND = Pattern.compile("(loan|reminder)/[^/ ]+/[a-z0-9]+/(undo-)?[0-9]+");

    private final Map<String, Long> reached = new TreeMap<>(); // guarded by itself

    @Test
    void whatever_happens_money_is_conserved_and_each_order_is_carried_out_once_and_in_order() throws Exception {
        var results = System.getProperty("dev.cqrs.simulation.results", "");
        var tally = new Histories(this::simulation, threads()).run(histories(), firstSeed(), results);

        System.out.println(tally);
        System.out.println("of these");
        reached.forEach((what, count) -> System.out.println("  " + what + " " + count));
        checkThatAllHappened(tally);
    }

    /** Otherwise it would be easy to withstand. */
    private void checkThatAllHappened(Tally tally) {
        if (tally.histories() >= 500
                && System.getProperty("dev.cqrs.testing.seed") == null) { // which is one history alone
            for (var what : REACHED) {
                assertThat(reached.getOrDefault(what, 0L)).as(what).isGreaterThan(tally.histories() / 200);
            }
            for (var fault : Fault.values()) {
                assertThat(tally.count(fault.name())).as(fault.name()).isGreaterThan(tally.histories() / 20);
            }
            for (var action : List.of("direct", "queued", "transfer", "stored", "later", "standing", "cancel")) {
                assertThat(tally.count(action + ": done")).as(action).isGreaterThan(tally.histories() / 2);
            }
            assertThat(tally.count("direct: refused")).isGreaterThan(tally.histories());
        }
    }

    private Simulation<Deed, BranchWorld> simulation() {
        return Simulation.of(BranchWorld::new)
                .action("direct", 8, random -> new Direct(order(random)))
                .action("queued", 5, random -> new Queued(order(random)))
                .action("transfer", 2, random -> new Direct(transfer(random)))
                .action("stored", 5, random -> new Stored(order(random), Duration.ZERO))
                .action("later", 3, random -> new Stored(order(random), Duration.ofSeconds(random.nextInt(1, 1_500))))
                .action(
                        "standing",
                        1,
                        random -> new Standing(new Pay(account(random), 1), Duration.ofMinutes(random.nextInt(1, 30))))
                .rest(REST)
                .action("cancel", 2, (world, random) -> new Cancel(world.stored(random)))
                .action("borrow", 3, random -> new Direct(loan(random)))
                .action("sign", 3, (world, random) -> new Direct(new Sign(world.loan(random, world.signed))))
                .action("confirm", 3, (world, random) -> new Direct(new Confirm(world.loan(random, world.confirmed))))
                .action(
                        "operate",
                        2,
                        (world, random) -> new Operate(
                                Operation.values()[random.nextInt(Operation.values().length)],
                                random.nextInt(4) > 0 ? "loan" : "reminder",
                                world.loan(random)))
                .action("deploy", 2, random -> new Deploy(Release.any(random)));
    }

    private static Order transfer(RandomGenerator random) {
        return new Ask(
                "t-" + Long.toHexString(random.nextLong()), account(random), account(random), random.nextInt(1, 100));
    }

    private static Order loan(RandomGenerator random) {
        return new Borrow(
                "l-" + Long.toHexString(random.nextLong()),
                account(random),
                random.nextInt(1, 100),
                random.nextInt(3) > 0,
                random.nextBoolean(),
                Troubles.draw(random));
    }

    private static Order order(RandomGenerator random) {
        int cents = random.nextInt(1, 100);
        var account = account(random);
        return switch (random.nextInt(5)) {
            case 0, 1 -> new Pay(account, cents);
            case 2 -> new Draw(account, cents);
            default -> {
                var to = account(random);
                yield account.equals(to) ? new Pay(to, cents) : new Move(account, to, cents);
            }
        };
    }

    private static String account(RandomGenerator random) {
        return "account-" + random.nextInt(3);
    }

    /** The stores and the customers, who survive, and the model. */
    private final class BranchWorld implements Simulation.World<Deed> {

        private final Clock clock;
        private final EventStore domain;
        private final EventStore operations;
        private final CheckpointStore saved = emptyCheckpoints();
        private final Set<String> letters = new HashSet<>();
        private final BranchModel model;
        private final List<String> storedIds = new ArrayList<>();
        private final List<String> loans = new ArrayList<>();
        private final Troubles troubles = new Troubles();
        private Release release = Release.first(true);
        private Release running = release;
        private final Map<String, Integer> visits = new HashMap<>();
        private final Set<String> signed = new HashSet<>();
        private final Set<String> confirmed = new HashSet<>();
        private Simulation.Host host;
        private Branch branch;
        private Instant latest = Instant.EPOCH;
        private final List<Throwable> wrongs = new ArrayList<>();

        @SuppressWarnings("NullAway.Init") // started before anything else
        BranchWorld(Clock clock) {
            this.clock = clock;
            this.domain = emptyLog(Branch.DOMAIN, clock);
            this.operations = emptyLog(Branch.OPERATIONS, clock);
            this.model = new BranchModel(domain, operations);
        }

        @Override
        public void start(Simulation.Host host) {
            this.host = host;
            model.newProcess();
            running = release;
            model.loans().released(running);
            branch = new Branch(host, domain, operations, saved, letter -> letters.add(letter.id()), running, troubles);
            visit(host, branch);
        }

        /** Has an operator come again and again, and do one thing or another about what is parked. */
        private void visit(Simulation.Host host, Branch own) {
            host.schedule(VISIT, () -> {
                if (own == branch) {
                    visit(host, own);
                    for (var parked : own.sagas().list(Filter.all().in(SagaInstance.State.PARKED), 100)) {
                        int before = visits.merge(parked.saga() + "/" + parked.key(), 1, Integer::sum);
                        boolean waits =
                                parked.step().equals("signed") || parked.step().equals("confirmed");
                        boolean late = before > (waits ? 1 : 5); // then there is no time for more
                        var operation = late && before % 2 == 0
                                ? Operation.SKIP
                                : late
                                        ? Operation.RESUME
                                        : VISITS[
                                                Math.floorMod(
                                                        before + parked.key().hashCode(), VISITS.length)];
                        count(operation, operate(new Operate(operation, parked.saga(), parked.key())));
                    }
                }
            });
        }

        /** Of parallel steps the reason names the one. */
        private static String stuckAt(SagaInstance parked) {
            var step = STEP.matcher(parked.reason());
            return step.find() ? step.group(1) : parked.step();
        }

        /** Looks whether a command took effect; that it will not cannot be said while a handler may be at it. */
        private boolean settle(String saga, String key) {
            var command = branch.sagas()
                    .find(saga, key)
                    .map(found -> COMMAND.matcher(found.reason()))
                    .filter(Matcher::find)
                    .map(Matcher::group)
                    .orElse("");
            model.readOn();
            boolean took = model.isCarriedOut(command);
            return !command.isEmpty()
                    && (took || !troubles.isHandling())
                    && branch.sagas().settle(saga, key, command, took ? Finding.TOOK_EFFECT : Finding.NO_EFFECT);
        }

        private void count(Operation operation, Object answer) {
            model.count("operator: " + operation + "-" + answer);
        }

        private Object operate(Operate wanted) {
            var sagas = branch.sagas();
            return switch (wanted.operation()) {
                case CANCEL -> {
                    model.loans().isCancelled(wanted.saga(), wanted.key());
                    yield sagas.cancel(wanted.saga(), wanted.key());
                }
                case RESUME -> sagas.resume(wanted.saga(), wanted.key());
                case RETRY -> sagas.retry(wanted.saga(), wanted.key());
                case SETTLE -> settle(wanted.saga(), wanted.key());
                case SKIP -> {
                    model.loans().isSkipped(wanted.saga(), wanted.key());
                    yield sagas.find(wanted.saga(), wanted.key())
                            .filter(found -> sagas.skip(found.saga(), found.key(), stuckAt(found)))
                            .isPresent();
                }
            };
        }

        @Override
        public void stop() {
            branch.close();
            model.queueIsEmpty();
        }

        /** Mostly the last one of which that is not done yet. */
        String loan(RandomGenerator random, Set<String> done) {
            for (int i = loans.size() - 1; i >= 0 && random.nextInt(4) > 0; i--) {
                if (!done.contains(loans.get(i))) {
                    return loans.get(i);
                }
            }
            return loan(random);
        }

        String loan(RandomGenerator random) {
            int size = loans.size();
            return size == 0 ? "none" : loans.get(random.nextInt(3) > 0 ? size - 1 : random.nextInt(size));
        }

        String stored(RandomGenerator random) {
            int size = storedIds.size(); // mostly the last, which may be at hand just now
            return size == 0 ? "none" : storedIds.get(random.nextInt(3) > 0 ? size - 1 : random.nextInt(size));
        }

        @Override
        public Object perform(Deed deed, String id) {
            var metadata = Metadata.withId(id);
            if (deed instanceof Direct direct) {
                model.order(id, direct.order());
                if (direct.order() instanceof Borrow loan) {
                    troubles.of(loan);
                    loans.add(loan.key());
                } else if (direct.order() instanceof Sign sign) {
                    signed.add(sign.key());
                } else if (direct.order() instanceof Confirm confirm) {
                    confirmed.add(confirm.key());
                }
                return branch.bus().dispatch(direct.order(), metadata);
            }
            if (deed instanceof Queued queued) {
                model.order(id, queued.order());
                enqueue(queued.order(), metadata, id);
                return "enqueued";
            }
            if (deed instanceof Stored stored) {
                model.order(id, stored.order());
                storedIds.add(id);
                return stored.delay().isZero()
                        ? branch.schedule().enqueue(stored.order(), metadata)
                        : branch.schedule().after(stored.delay(), stored.order(), metadata);
            }
            if (deed instanceof Standing standing) {
                model.order(id, standing.order());
                storedIds.add(id);
                return branch.schedule().every(standing.period(), clock.instant(), standing.order(), metadata);
            }
            if (deed instanceof Deploy deploy) {
                release = deploy.release();
                return "next time";
            }
            return deed instanceof Operate wanted
                    ? operate(wanted)
                    : branch.schedule().cancel(((Cancel) deed).stored());
        }

        private void enqueue(Order order, Metadata metadata, String id) {
            var own = host;
            var stage = branch.queue().enqueue(order, metadata);
            model.queued(id);
            stage.whenComplete((result, thrown) -> {
                if (own != host || isCrash(thrown)) {
                    return;
                }
                try {
                    ended(id, result, thrown);
                } catch (Throwable wrong) { // which the stage would keep to itself
                    wrongs.add(wrong);
                }
            });
        }

        private void ended(String id, @Nullable Object result, @Nullable Throwable thrown) {
            model.dequeued(id);
            if (thrown != null) {
                if (!isInjected(thrown)) {
                    model.refused(id, thrown);
                }
            } else {
                model.answered(id, Objects.requireNonNull(result));
            }
        }

        @Override
        public void done(Deed deed, String id, Object result) {
            if (deed instanceof Direct) {
                model.answered(id, result);
            } else if (deed instanceof Cancel cancel) {
                model.cancelled(cancel.stored(), (Cancellation) result);
            } else if (deed instanceof Operate wanted) {
                model.readOn();
                count(wanted.operation(), result);
                if (result instanceof SagaEngine.Cancellation answer) {
                    model.loans().cancelled(wanted.saga(), wanted.key(), answer);
                }
            } else if (!(deed instanceof Queued || deed instanceof Deploy)) {
                require(result.equals(id), () -> "stored as " + result);
                model.stored(id);
            }
        }

        @Override
        public void refused(Deed deed, String id, Exception thrown) {
            require(deed instanceof Direct, () -> deed + " was refused by " + thrown);
            model.refused(id, thrown);
        }

        @Override
        public void unknown(Deed deed, String id) {}

        @Override
        public void check() {
            if (!wrongs.isEmpty()) {
                throw new AssertionError("the queue: " + wrongs.get(0).getMessage(), wrongs.get(0));
            }
            if (clock.instant().isBefore(latest)) {
                model.loans().clockWentBack();
            }
            model.readOn();
            latest = latest.isAfter(clock.instant()) ? latest : clock.instant();
            var total = branch.status(Branch.TOTAL);
            require(total.state() != State.STOPPED, () -> "the total has stopped");
            if (total.position().equals(domain.head())) {
                requireEqual(branch.total(), model.total(), "the total");
            }
        }

        @Override
        public void checkAtRest() {
            model.checkStored(clock.instant());
            model.queueIsEmpty();
            model.checkTransfers(
                    clock.instant(),
                    latest,
                    key -> branch.sagas()
                            .find("transfer", key)
                            .map(SagaInstance::state)
                            .orElse(SagaInstance.State.WAITING));
            if (!clock.instant().isBefore(latest.plus(NEARLY_REST))) { // or what waits may do so for longer
                var since = clock.instant().minus(VISIT.multipliedBy(2)).minus(Loans.TO_SIGN); // it may wait anew
                model.loans()
                        .checkAtRest(
                                running, since, visits, name -> branch.sagas().find(name.saga(), name.key()));
            }
            isUpToDate(Branch.TOTAL);
            isUpToDate(Branch.BALANCES);
            requireEqual(branch.total(), model.total(), "the total");
            requireEqual(branch.balances(), model.balances(), "the balances");
            requireEqual(branch.letters(), model.bookings(), "the count of letters");
            requireEqual(letters.size(), model.bookings(), "letters");
            synchronized (reached) {
                model.reached().forEach((what, count) -> reached.merge(what, count, Long::sum));
            }
            model.reached().clear();
        }

        private void isUpToDate(Projection<?> projection) {
            var status = branch.status(projection);
            require(status.position().equals(domain.head()), () -> "at rest, but " + status);
        }
    }

    private static boolean isCrash(Throwable thrown) {
        return thrown instanceof SimulatedCrash;
    }

    private static boolean isInjected(Throwable thrown) {
        for (var cause = thrown; cause != null; cause = cause.getCause()) {
            if (cause instanceof InjectedException) {
                return true;
            }
        }
        return false;
    }
}
