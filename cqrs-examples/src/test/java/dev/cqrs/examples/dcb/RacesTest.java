package dev.cqrs.examples.dcb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.testing.VirtualClock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.function.ToIntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Whatever sixteen threads do at once, no example breaks its rule; without conditions each does. */
@Timeout(300)
class RacesTest {

    private static final int THREADS = 16;
    private static final int COMMANDS = 150;
    private static final long SEED = 20261124;
    private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

    /**
     * An example.
     *
     * @param pace how much time passes at most before a thread's next command
     * @param rule judges the log, and counts how often it mattered what time it was
     * @param rival a command of which one must be refused
     */
    private record Example(
            String name,
            Catalog catalog,
            Function<EventStore, InMemoryCqrs> wiring,
            Duration pace,
            BiFunction<SplittableRandom, Instant, Command<?>> random,
            ToIntFunction<List<Object>> rule,
            List<Command<?>> start,
            IntFunction<Command<?>> rival) {

        @Override
        public String toString() {
            return name;
        }
    }

    private static Stream<Example> examples() {
        return Stream.of(
                new Example(
                        "courses",
                        Courses.CATALOG,
                        Courses::over,
                        Duration.ZERO,
                        (random, at) -> random.nextInt(5) == 0
                                ? new Courses.ChangeCapacity("c" + random.nextInt(20), 5 + random.nextInt(10))
                                : new Courses.Subscribe("s" + random.nextInt(12), "c" + random.nextInt(20)),
                        RacesTest::neitherFullNorTooMany,
                        start(20, i -> new Courses.DefineCourse("c" + i, i == 0 ? 1 : 5)),
                        thread -> new Courses.Subscribe("s" + thread, "c0")),
                new Example(
                        "usernames",
                        Usernames.CATALOG,
                        Usernames::over,
                        Duration.ofHours(2),
                        (random, at) -> {
                            var account = "a" + random.nextInt(30);
                            return switch (random.nextInt(4)) {
                                case 0, 1 -> new Usernames.Register(account, "n" + random.nextInt(60), at);
                                case 2 -> new Usernames.ChangeUsername(account, "n" + random.nextInt(60), at);
                                default -> new Usernames.CloseAccount(account, at);
                            };
                        },
                        RacesTest::noNameTwice,
                        List.of(),
                        thread -> new Usernames.Register("x" + thread, "n0", START)),
                new Example(
                        "invoices",
                        Invoices.CATALOG,
                        Invoices::over,
                        Duration.ZERO,
                        (random, at) -> new Invoices.CreateInvoice(2020 + random.nextInt(2), "c", random.nextInt(20)),
                        RacesTest::noGap,
                        List.of(),
                        thread -> new Invoices.CreateInvoice(2020, "c" + thread, 5)),
                new Example(
                        "opt-in",
                        OptIn.CATALOG,
                        OptIn::over,
                        Duration.ofMinutes(1),
                        (random, at) -> {
                            int person = random.nextInt(200);
                            return random.nextBoolean()
                                    ? new OptIn.SignUp(person + "@b", "t" + person, at)
                                    : new OptIn.Confirm(person + "@b", "t" + person, at);
                        },
                        RacesTest::confirmedOnce,
                        List.of(new OptIn.SignUp("0@b", "t0", START)),
                        thread -> new OptIn.Confirm("0@b", "t0", START)),
                new Example(
                        "shop",
                        Shop.CATALOG,
                        Shop::over,
                        Duration.ofMinutes(1),
                        (random, at) -> {
                            int product = random.nextInt(3);
                            return random.nextInt(3) == 0
                                    ? new Shop.SetPrice("p" + product, random.nextInt(5), at)
                                    : new Shop.Order(
                                            "o",
                                            List.of(
                                                    new Shop.Line("p" + product, random.nextInt(5)),
                                                    new Shop.Line("p" + (product + 1) % 3, random.nextInt(5))),
                                            at);
                        },
                        RacesTest::pricesAsShown,
                        start(3, i -> new Shop.SetPrice("p" + i, 7, START)),
                        thread -> new Shop.SetPrice("p0", 9, START)),
                new Example(
                        "orders",
                        Orders.CATALOG,
                        Orders::over,
                        Duration.ZERO,
                        (random, at) -> new Orders.PlaceOrder("o" + random.nextInt(900), "f" + random.nextInt(900)),
                        RacesTest::noFormTwice,
                        List.of(),
                        thread -> new Orders.PlaceOrder("x" + thread, "f0")));
    }

    private static List<Command<?>> start(int count, IntFunction<Command<?>> command) {
        return IntStream.range(0, count).<Command<?>>mapToObj(command).toList();
    }

    @ParameterizedTest
    @MethodSource("examples")
    void sixteen_threads_break_no_rule(Example example) throws Exception {
        var clock = new VirtualClock(START);
        var store = new InMemoryEventStore(example.catalog, clock);
        try (var app = example.wiring.apply(store)) {
            example.start.forEach(app::dispatch);
            var random = new SplittableRandom(SEED);
            var rejected = race(THREADS, thread -> {
                var own = random.split();
                return () -> {
                    int refused = 0;
                    for (int i = 0; i < COMMANDS; i++) {
                        clock.advance(Duration.ofSeconds(own.nextLong(example.pace.toSeconds() + 1)));
                        refused += isRefused(app, example.random.apply(own, clock.instant())) ? 1 : 0;
                    }
                    return refused;
                };
            });

            var log = log(store);
            int timely = example.rule.applyAsInt(log);
            assertThat(timely > 0).as("time mattered, seed " + SEED).isEqualTo(!example.pace.isZero());
            assertThat(log).as("accepted, seed " + SEED).hasSizeGreaterThan(example.start.size() + 20);
            assertThat(rejected).as("refused, seed " + SEED).isGreaterThan(20);
            assertThat(log).hasSize(example.start.size() + THREADS * COMMANDS - rejected);
        }
    }

    @ParameterizedTest
    @MethodSource("examples")
    void without_conditions_two_threads_break_the_rule(Example example) throws Exception {
        var store = new InMemoryEventStore(example.catalog, new VirtualClock(START));
        var careless = new Careless(store);
        try (var app = example.wiring.apply(careless)) {
            example.start.forEach(app::dispatch);
            careless.isMeeting = true;
            race(2, thread -> () -> isRefused(app, example.rival.apply(thread)) ? 1 : 0);

            assertThatThrownBy(() -> example.rule.applyAsInt(log(store))).isInstanceOf(AssertionError.class);
        }
    }

    private static boolean isRefused(InMemoryCqrs app, Command<?> command) {
        try {
            app.dispatch(command);
            return false;
        } catch (RejectedException refused) {
            return true;
        }
    }

    private static int race(int threads, IntFunction<Callable<Integer>> work) throws Exception {
        var pool = Executors.newFixedThreadPool(threads);
        try {
            var gate = new CyclicBarrier(threads);
            var all = new ArrayList<Future<Integer>>();
            for (int i = 0; i < threads; i++) {
                var own = work.apply(i);
                all.add(pool.submit(() -> {
                    gate.await(60, TimeUnit.SECONDS);
                    return own.call();
                }));
            }
            int sum = 0;
            for (var one : all) {
                sum += one.get(60, TimeUnit.SECONDS);
            }
            return sum;
        } finally {
            pool.shutdownNow();
        }
    }

    private static List<Object> log(EventStore store) {
        try (var events = store.read(EventQuery.all())) {
            return events.toList().stream().map(RecordedEvent::event).toList();
        }
    }

    // ---- the rules, by hand and without the library

    private static int neitherFullNorTooMany(List<Object> log) {
        var seats = new HashMap<String, Integer>();
        var taken = new HashMap<String, Integer>();
        var load = new HashMap<String, Integer>();
        var pairs = new HashSet<Object>();
        for (var event : log) {
            if (event instanceof Courses.CourseDefined e) {
                assertThat(seats.put(e.course(), e.capacity())).isNull();
            } else if (event instanceof Courses.CapacityChanged e) {
                assertThat(seats.put(e.course(), e.capacity())).isNotNull();
            } else if (event instanceof Courses.StudentSubscribed e) {
                assertThat(pairs.add(e)).isTrue();
                assertThat(taken.merge(e.course(), 1, Integer::sum)).isLessThanOrEqualTo(seats.get(e.course()));
                assertThat(load.merge(e.student(), 1, Integer::sum)).isLessThanOrEqualTo(10);
            }
        }
        return 0;
    }

    /** Nobody has a name that another has, or had less than three days before; counts the names had again later. */
    private static int noNameTwice(List<Object> log) {
        var owners = new HashMap<String, String>();
        var accounts = new HashMap<String, String>();
        var freeFrom = new HashMap<String, Instant>();
        int hadAgain = 0;
        for (var event : log) {
            String account;
            String from = null;
            String to = null;
            Instant at;
            if (event instanceof Usernames.Registered e) {
                account = e.account();
                to = e.username();
                at = e.at();
            } else if (event instanceof Usernames.UsernameChanged e) {
                account = e.account();
                from = e.from();
                to = e.to();
                at = e.at();
            } else {
                var e = (Usernames.AccountClosed) event;
                account = e.account();
                from = e.username();
                at = e.at();
            }
            assertThat(accounts.remove(account)).isEqualTo(from);
            if (to != null) {
                accounts.put(account, to);
                assertThat(owners.put(to, account)).isNull();
                if (freeFrom.containsKey(to)) {
                    assertThat(at).isAfterOrEqualTo(freeFrom.get(to));
                    hadAgain++;
                }
            }
            if (from != null) {
                assertThat(owners.remove(from)).isEqualTo(account);
                freeFrom.put(from, at.plus(Duration.ofDays(3)));
            }
        }
        return hadAgain;
    }

    private static int noGap(List<Object> log) {
        var last = new HashMap<Integer, Long>();
        for (var event : log) {
            var invoice = (Invoices.InvoiceCreated) event;
            assertThat(invoice.number()).isEqualTo(last.merge(invoice.year(), 1L, Long::sum));
        }
        return 0;
    }

    /** No address is confirmed twice or later than an hour; counts the tokens sent anew after one that had expired. */
    private static int confirmedOnce(List<Object> log) {
        var sent = new HashMap<String, Instant>();
        var confirmed = new HashSet<String>();
        int expired = 0;
        for (var event : log) {
            if (event instanceof OptIn.SignUpInitiated e) {
                assertThat(confirmed).doesNotContain(e.email());
                var before = sent.put(e.token(), e.at());
                expired += before != null && e.at().isAfter(before.plus(Duration.ofHours(1))) ? 1 : 0;
            } else if (event instanceof OptIn.SignUpConfirmed e) {
                assertThat(sent).containsKey(e.token());
                var good = Objects.requireNonNull(sent.get(e.token())).plus(Duration.ofHours(1));
                assertThat(e.at()).isBeforeOrEqualTo(good);
                assertThat(confirmed.add(e.email())).isTrue();
            }
        }
        return expired;
    }

    /** No price follows itself, or is paid ten minutes after another came; counts those paid within the ten. */
    private static int pricesAsShown(List<Object> log) {
        var current = new HashMap<String, Long>();
        var goodUntil = new HashMap<List<?>, Instant>();
        int graced = 0;
        for (var event : log) {
            if (event instanceof Shop.PriceSet e) {
                var before = current.put(e.product(), e.cents());
                assertThat(before == null ? -1 : before).isNotEqualTo(e.cents());
                if (before != null) {
                    goodUntil.merge(
                            List.of(e.product(), before),
                            e.at().plus(Duration.ofMinutes(10)),
                            (one, other) -> one.isAfter(other) ? one : other);
                }
            } else if (event instanceof Shop.Ordered e) {
                for (var line : e.lines()) {
                    if (line.shownCents() != current.getOrDefault(line.product(), -1L)) {
                        var price = List.of(line.product(), line.shownCents());
                        assertThat(goodUntil).containsKey(price);
                        assertThat(e.at()).isBefore(goodUntil.get(price));
                        graced++;
                    }
                }
            }
        }
        return graced;
    }

    private static int noFormTwice(List<Object> log) {
        var ids = new HashSet<String>();
        var forms = new HashSet<String>();
        for (var event : log) {
            var order = (Orders.OrderPlaced) event;
            assertThat(ids.add(order.id())).isTrue();
            assertThat(forms.add(order.form())).isTrue();
        }
        return 0;
    }

    /** A store that appends whatever has come between, and takes care that something has. */
    private static final class Careless implements EventStore {
        private final EventStore store;
        private final CyclicBarrier bothHaveRead = new CyclicBarrier(2);
        private volatile boolean isMeeting;

        Careless(EventStore store) {
            this.store = store;
        }

        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            if (isMeeting) {
                try {
                    bothHaveRead.await(120, TimeUnit.SECONDS);
                } catch (Exception alone) {
                    throw new IllegalStateException("Only one of two came to append.", alone);
                }
            }
            return store.append(events, AppendCondition.none(), metadata);
        }

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            return store.read(query, options);
        }

        @Override
        public Position head() {
            return store.head();
        }

        @Override
        public Catalog catalog() {
            return store.catalog();
        }

        @Override
        public Subscription onAppend(Signal signal) {
            return store.onAppend(signal);
        }
    }
}
