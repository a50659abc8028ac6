package dev.cqrs.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.testing.Shop.Bug;
import dev.cqrs.testing.Shop.Move;
import dev.cqrs.testing.Simulation.Fault;
import dev.cqrs.testing.Simulation.Host;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.api.parallel.Resources;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@ResourceLock(Resources.SYSTEM_PROPERTIES)
class SimulationTest {

    private static final String PROPERTY = "dev.cqrs.testing.seed";

    private static AssertionError failureOf(Simulation<?, ?> simulation, int histories) {
        return Objects.requireNonNull(
                catchThrowableOfType(AssertionError.class, () -> simulation.explore(histories, 1)), "no failure");
    }

    private static String messageOf(Throwable failure) {
        return Objects.requireNonNull(failure.getMessage());
    }

    private static AssertionError withProperty(String value, Simulation<?, ?> simulation) {
        System.setProperty(PROPERTY, value);
        try {
            return failureOf(simulation, 1_000);
        } finally {
            System.clearProperty(PROPERTY);
        }
    }

    private static String found(String pattern, String text) {
        var matcher = Pattern.compile(pattern).matcher(text);
        assertThat(matcher.find()).as(pattern + " in " + text).isTrue();
        return matcher.group(1);
    }

    // ---- what it finds

    @Test
    void a_sound_application_withstands_everything_and_everything_has_happened() {
        var tally = Shop.simulation(Bug.NONE).explore(300, 1);

        assertThat(tally.histories()).isEqualTo(300);
        assertThat(tally.count("steps")).isEqualTo(300 * Simulation.DEFAULT_STEPS);
        for (var what : List.of("in: done", "in: unknown", "out: done", "out: refused", "out: unknown", "rests")) {
            assertThat(tally.count(what)).as(what).isGreaterThan(100);
        }
        assertThat(tally.count("in: refused")).isZero();
        assertThat(tally.count("starts")).isGreaterThan(2 * 300 + tally.count("CRASH"));
        assertThat(tally.count("tasks")).isGreaterThan(300);
        for (var fault : Fault.values()) {
            assertThat(tally.count(fault.name())).as(fault.name()).isGreaterThan(20);
        }
        assertThat(tally.toString())
                .startsWith("300 histories\n  APPEND_FAILS ")
                .contains("\n  steps 18000\n");
    }

    @ParameterizedTest
    @CsvSource({
        "LOST_UPDATE, 1000, 2, stock is -",
        "FORGOTTEN_ID, 20, 2, Found duplicate",
        "CHECKPOINT_FIRST, 100, 3, could not find the following keys",
        "MAIL_WITHOUT_ID, 100, 3, were sent twice",
        "MISSED_WAKE_UP, 100, 3, could not find the following keys"
    })
    void a_bug_is_found_and_told_by_the_few_steps_that_matter(Bug bug, int histories, int steps, String text) {
        var failure = messageOf(failureOf(Shop.simulation(bug), histories));

        assertThat(failure).contains(text);
        assertThat(Integer.parseInt(found("Of its 60 steps (\\d+) are enough", failure)))
                .isLessThanOrEqualTo(steps);
        assertThat(failure.substring(failure.indexOf("Run these alone")).lines())
                .hasSizeLessThan(25);
    }

    @Test
    void the_story_reads_from_the_start_to_the_failure() {
        var failure = messageOf(failureOf(Shop.simulation(Bug.LOST_UPDATE), 1_000));

        assertThat(failure).isEqualTo("""
            Seed 55 fails: java.lang.AssertionError: stock is -1
            Run it alone with -Ddev.cqrs.testing.seed=55. It was run a second time and went the same way.
            Of its 60 steps 2 are enough, as 29 histories tell. Run these alone with -Ddev.cqrs.testing.seed=55:45,49,49.1:
                   process 1 starts
                45 in Move[pieces=9] as a-45
                       appends [Moved[id=a-45, pieces=9]] at position 1
                       done: 9
                49 out Move[pieces=-8] as a-49
                       in between
                           again out Move[pieces=-8] as a-49
                               appends [Moved[id=a-49, pieces=-8]] at position 2
                               done: 1
                       appends [Moved[id=a-49, pieces=-8]] at position 3
                       done: 1
                       FAILS: java.lang.AssertionError: stock is -7\
            """);
    }

    // ---- again

    @Test
    void the_seed_alone_fails_in_the_same_way_and_so_do_the_steps_that_were_told() {
        var simulation = Shop.simulation(Bug.CHECKPOINT_FIRST);
        var failure = messageOf(failureOf(simulation, 100));
        var seed = found("Run it alone with -D" + PROPERTY + "=(\\d+)\\.", failure);
        var steps = found("Run these alone with -D" + PROPERTY + "=(\\S+):\n", failure);
        var story = failure.substring(failure.indexOf(steps) + steps.length() + 1);

        assertThat(withProperty(seed, Shop.simulation(Bug.CHECKPOINT_FIRST))).hasMessage(failure);
        assertThat(messageOf(withProperty(steps, Shop.simulation(Bug.CHECKPOINT_FIRST))))
                .contains("Run it alone with -D" + PROPERTY + "=" + steps + ". It was run a second time")
                .endsWith(story);
    }

    @Test
    void the_same_seeds_are_the_same_histories() {
        var first = Shop.simulation(Bug.NONE).explore(40, 7);
        assertThat(Shop.simulation(Bug.NONE).explore(40, 7)).isEqualTo(first);
        assertThat(Shop.simulation(Bug.NONE).explore(40, 8)).isNotEqualTo(first);
    }

    @Test
    void a_property_that_cannot_be_read_is_refused() {
        for (var wrong : List.of("x", "1:0", "1:61", "1:3.4", "1:3.x")) {
            System.setProperty(PROPERTY, wrong);
            try {
                assertThatThrownBy(() -> Shop.simulation(Bug.NONE).explore(1, 1))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessage("The system property dev.cqrs.testing.seed is \"" + wrong
                                + "\"; expected a seed, such as 42, or a seed and some of 60 steps and their faults,"
                                + " such as 42:3,7,7.1.");
            } finally {
                System.clearProperty(PROPERTY);
            }
        }
    }

    // ---- what does not follow from the seed

    @Test
    void an_application_with_a_thread_is_named() {
        assertThat(messageOf(failureOf(Shop.simulation(Bug.THREAD), 1)))
                .startsWith("Seed 1 fails: java.lang.IllegalStateException: A seeded scheduler of thread \"")
                .contains("was used by thread \"meddler\", whose doings no seed can replay.");
    }

    @Test
    void an_application_with_another_clock_is_named_though_it_does_nothing_wrong() {
        assertThat(messageOf(failureOf(Shop.simulation(Bug.SYSTEM_CLOCK), 1))
                        .replaceAll("recorded at \\S+", "recorded"))
                .startsWith("Seed 1 was run a second time and went another way: the application depends on something"
                        + " beside the seed, such as a thread of its own, the time of day, random numbers, or what an"
                        + " earlier history left.\nUp to there:\n")
                .containsPattern("The first time then:\n +appends .* at position 1, recorded\n"
                        + "The second time:\n +appends .* at position 1, recorded$");
    }

    @Test
    void an_application_that_fails_by_what_an_earlier_history_left_is_named() {
        var left = new AtomicInteger();
        var simulation = Simulation.<String, Plain>of(clock -> new Plain() {
                    @Override
                    public Object perform(String action, String id) {
                        if (left.incrementAndGet() == 1) {
                            throw new AssertionError("first");
                        }
                        return "done";
                    }
                })
                .action("go", 1, random -> "go");
        assertThat(messageOf(failureOf(simulation, 1)))
                .startsWith("Seed 1 fails: java.lang.AssertionError: first\nBut it was run a second time and went"
                        + " another way:");
    }

    // ---- the rules of the game

    record Happened(String id) {}

    /** A world in which nothing happens. */
    private static class Plain implements Simulation.World<String> {

        @Override
        public void start(Host host) {}

        @Override
        public Object perform(String action, String id) {
            return "done";
        }

        @Override
        public void done(String action, String id, Object result) {}

        @Override
        public void refused(String action, String id, Exception thrown) {}

        @Override
        public void unknown(String action, String id) {}

        @Override
        public void checkAtRest() {}
    }

    private static Simulation<String, Plain> plain(Plain world) {
        return Simulation.<String, Plain>of(clock -> world).action("go", 1, random -> "go");
    }

    @Test
    void an_application_that_fails_twice_and_then_no_more_is_told_with_its_seed_and_its_failure() {
        var runs = new AtomicInteger();
        var simulation = Simulation.<String, Plain>of(clock -> new Plain() {
                    private final boolean fails = runs.incrementAndGet() <= 2;

                    @Override
                    public void checkAtRest() {
                        if (fails) {
                            throw new AssertionError("twice");
                        }
                    }
                })
                .action("go", 1, random -> "go");
        assertThat(messageOf(failureOf(simulation, 1)))
                .startsWith("Seed 1 fails: java.lang.AssertionError: twice\nRun it alone with")
                .contains("what an earlier history left.\nIn full:", "go as a-4");
    }

    @Test
    void a_failure_whose_causes_go_round_in_a_circle_is_a_refusal_as_any() {
        var simulation = Simulation.<String, Plain>of(clock -> new Plain() {
                    @Override
                    public Object perform(String action, String id) {
                        var failure = new IllegalStateException("outer");
                        failure.initCause(new IllegalArgumentException("inner", failure));
                        throw failure;
                    }
                })
                .action("go", 1, random -> "go");
        assertTimeoutPreemptively(Duration.ofMinutes(1), () -> simulation.explore(1, 1));
    }

    @Test
    void faults_that_are_left_out_do_not_happen() {
        var faults = Fault.values();
        var tally = Shop.simulation(Bug.NONE).without(faults[0], faults).explore(100, 1);

        for (var fault : faults) {
            assertThat(tally.count(fault.name())).as(fault.name()).isZero();
        }
        assertThat(tally.count("starts")).isEqualTo(200);
        assertThat(tally.count("in: unknown")).isZero();
        assertThat(tally.count("in: done")).isGreaterThan(500);
    }

    @Test
    void an_application_may_crash_where_it_starts_and_is_started_again() {
        var numbers = new ArrayList<Integer>();
        var tally = plain(new Plain() {
                    @Override
                    public void start(Host host) {
                        numbers.add(host.number());
                        host.pass("the start");
                    }

                    @Override
                    public Object perform(String action, String id) {
                        throw new IllegalStateException("no");
                    }
                })
                .explore(99, 2);

        assertThat(tally.count("CRASH")).isGreaterThan(20);
        assertThat(tally.count("HANDLER_FAILS")).isPositive();
        assertThat(tally.count("go: refused")).isGreaterThan(500);
        assertThat(numbers).contains(1, 2, 3, 4);
    }

    @Test
    void what_a_dead_process_was_given_is_dead() {
        var late = new ArrayList<String>();
        plain(new Plain() {
                    private final List<Host> hosts = new ArrayList<>();

                    @Override
                    public void start(Host host) {
                        if (host.number() == 1) { // of another history
                            hosts.clear();
                        } else {
                            var old = hosts.get(hosts.size() - 1);
                            assertThatThrownBy(() -> old.executor("old").execute(() -> {}))
                                    .isInstanceOf(SimulatedCrash.class);
                            assertThatThrownBy(() -> old.schedule(Duration.ZERO, () -> {}))
                                    .isInstanceOf(SimulatedCrash.class);
                            assertThatThrownBy(() -> old.pass("there")).isInstanceOf(SimulatedCrash.class);
                        }
                        hosts.add(host);
                        host.schedule(Duration.ofMinutes(5), () -> {
                            if (hosts.get(hosts.size() - 1) != host) {
                                late.add("process " + host.number() + " is dead");
                            }
                        });
                    }
                })
                .explore(1, 3);
        assertThat(late).isEmpty();
    }

    @Test
    void a_start_a_check_a_task_an_error_and_an_answer_that_is_null_fail_the_history() {
        assertThat(failureOf(
                        plain(new Plain() {
                            @Override
                            public void start(Host host) {
                                throw new IllegalStateException("cannot start");
                            }
                        }),
                        1))
                .hasMessageStartingWith("Seed 1 fails: java.lang.IllegalStateException: cannot start\n")
                .hasMessageContaining("Of its 60 steps 0 are enough");
        assertThat(failureOf(
                        plain(new Plain() {
                            @Override
                            public void check() {
                                throw new IllegalStateException("wrong");
                            }
                        }),
                        1))
                .hasMessageContaining("wrong")
                .hasCauseInstanceOf(IllegalStateException.class);
        assertThat(failureOf(
                        plain(new Plain() {
                            @Override
                            public void start(Host host) {
                                host.executor("broken").execute(() -> {
                                    throw new IllegalStateException("task");
                                });
                            }
                        }),
                        1))
                .hasMessageStartingWith("Seed 1 fails: java.lang.IllegalStateException: task\n")
                .hasMessageContaining("runs broken");
        assertThat(failureOf(
                        plain(new Plain() {
                            @Override
                            public Object perform(String action, String id) {
                                throw new StackOverflowError("deep");
                            }
                        }),
                        1))
                .hasMessageStartingWith("Seed 1 fails: java.lang.StackOverflowError: deep\n");
        assertThat(failureOf(
                        plain(new Plain() {
                            @Override
                            @SuppressWarnings("NullAway")
                            public Object perform(String action, String id) {
                                return null;
                            }
                        }),
                        1))
                .hasMessageContaining("The result of an action is null; expected one such as Done.DONE.");
    }

    @Test
    void an_application_that_catches_everything_hides_no_failure_of_what_came_in_between() {
        class Swallowing extends Plain {
            private final EventStore disk;
            private EventStore log;

            Swallowing(Clock clock) {
                disk = new ListedEvents(
                        Catalog.builder().event("happened", Happened.class).build(), clock);
                log = disk;
            }

            @Override
            public void start(Host host) {
                log = host.around(disk);
            }

            @Override
            public Object perform(String action, String id) {
                try {
                    log.append(List.of(new Happened(id)), AppendCondition.none());
                } catch (Throwable swallowed) {
                    return "swallowed";
                }
                return "done";
            }

            @Override
            public void done(String action, String id, Object result) {
                if (id.matches("a-\\d+-\\d")) {
                    throw new AssertionError("came in between");
                }
            }
        }
        assertThat(failureOf(Simulation.of(Swallowing::new).action("go", 1, random -> "go"), 200))
                .hasMessageContaining(" fails: java.lang.AssertionError: came in between\n")
                .hasMessageContaining("in between\n");
    }

    /** Appends an event for each action; refuses so many after a fault, for a reason that is none any more. */
    private static final class Sulking extends Plain {
        private final EventStore disk;
        private final int refusals;
        private final Set<String> unknown = new TreeSet<>();
        private EventStore log;
        private int left;
        private Exception cause = new Exception("none");

        Sulking(Clock clock, int refusals) {
            this.disk = new ListedEvents(
                    Catalog.builder().event("happened", Happened.class).build(), clock);
            this.log = disk;
            this.refusals = refusals;
        }

        @Override
        public void start(Host host) {
            log = host.around(disk);
        }

        @Override
        public Object perform(String action, String id) {
            if (left > 0) {
                left--;
                throw new IllegalStateException("out of order", cause);
            }
            try {
                return log.append(List.of(new Happened(id)), AppendCondition.none())
                        .last();
            } catch (Simulation.InjectedException fault) {
                left = refusals;
                cause = fault;
                throw fault;
            }
        }

        @Override
        public void done(String action, String id, Object result) {
            unknown.remove(id);
        }

        @Override
        public void unknown(String action, String id) {
            unknown.add(id);
        }

        @Override
        public void checkAtRest() {
            assertThat(unknown).isEmpty();
        }
    }

    private static Simulation<String, Sulking> sulking(int refusals) {
        return Simulation.<String, Sulking>of(clock -> new Sulking(clock, refusals))
                .action("go", 1, random -> "go");
    }

    @Test
    void an_application_that_never_recovers_from_a_fault_is_found() {
        assertThat(failureOf(sulking(Integer.MAX_VALUE), 100))
                .hasMessageMatching("(?s)Seed \\d+ fails: java\\.lang\\.AssertionError: It is not known what became of"
                        + " \\[a-.+], though no fault strikes at rest and each was performed 10 times more; expected to be"
                        + " done or refused\\. Let the application recover.+Of its 60 steps 1 is enough.+")
                .cause()
                .hasCauseInstanceOf(IllegalStateException.class)
                .hasRootCauseInstanceOf(Simulation.InjectedException.class);
    }

    @Test
    void an_application_that_recovers_late_is_asked_until_it_has() {
        var tally = sulking(5).explore(100, 1);
        assertThat(tally.count("APPEND_FAILS")).isPositive();
        assertThat(tally.count("go: done")).isPositive();
    }

    @Test
    void tasks_without_end_are_named() {
        assertThat(failureOf(
                        plain(new Plain() {
                            @Override
                            public void start(Host host) {
                                var executor = host.executor("busy");
                                executor.execute(new Runnable() {
                                    @Override
                                    public void run() {
                                        executor.execute(this);
                                    }
                                });
                            }
                        }),
                        1))
                .hasMessageContaining("100000 tasks were run and 1 are waiting still");
    }

    @Test
    void time_passes_and_the_clock_jumps_within_the_bounds_given() {
        var shown = new ArrayList<Duration>();
        Simulation.<String, Plain>of(clock -> new Plain() {
                    @Override
                    public void check() {
                        shown.add(Duration.between(java.time.Instant.EPOCH, clock.instant()));
                    }
                })
                .action("go", 1, random -> "go")
                .rest(Duration.ofSeconds(10))
                .clockJumps(Duration.ofMillis(500))
                .steps(20)
                .explore(50, 1);

        assertThat(shown).allMatch(time -> time.compareTo(Duration.ofSeconds(-10)) > 0);
        assertThat(shown).anyMatch(Duration::isNegative).allMatch(time -> time.compareTo(Duration.ofMinutes(8)) < 0);
    }

    @Test
    void wiring_that_makes_no_sense_is_refused() {
        var simulation = Simulation.<Move, Shop>of(clock -> new Shop(Bug.NONE, clock));
        assertThatThrownBy(() -> simulation.explore(1, 1))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("The simulation has no actions; expected one or more. Call action(...).");
        assertThatThrownBy(() -> simulation.action("in", 0, random -> new Move(1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("Action \"in\" has the weight 0; expected 1 or more. Leave it out if it is not to happen.");
        simulation.action("in", 1, random -> new Move(1));
        assertThatThrownBy(() -> simulation.action("in", 1, random -> new Move(2)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("There are two actions \"in\"; expected one of each name.");
        assertThatThrownBy(() -> simulation.explore(0, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("0 histories were to be run; expected 1 or more.");
        assertThatThrownBy(() -> simulation.steps(0)).hasMessage("A history has 0 steps; expected 1 to 100000.");
        assertThatThrownBy(() -> simulation.rest(Duration.ZERO))
                .hasMessage("An application is given PT0S to come to rest; expected more than zero.");
        assertThatThrownBy(() -> simulation.clockJumps(Duration.ofDays(-1)))
                .hasMessage("A clock jumps by PT-24H at most; expected more than zero.");
        assertThatThrownBy(() -> simulation.rest(Duration.ofSeconds(Long.MAX_VALUE)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("expected 36500 days at most");
        assertThatThrownBy(() -> simulation.clockJumps(Duration.ofDays(36_501)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("expected 36500 days at most");
        simulation
                .rest(Duration.ofDays(36_500))
                .clockJumps(Duration.ofDays(36_500))
                .explore(1, 1);
    }

    @Test
    void a_world_is_made_for_each_history_by_a_constructor() {
        class Counting extends Plain {
            Counting(Clock clock) {
                assertThat(clock.instant()).isEqualTo(java.time.Instant.EPOCH);
            }
        }
        Simulation.of(Counting::new).action("go", 1, random -> "go").explore(2, 1);
    }

    // ---- what cannot be put into words

    private static final class Mute extends RuntimeException {

        private static final long serialVersionUID = 1L;

        @Override
        public String getMessage() {
            throw new IllegalStateException("no words");
        }
    }

    /** Refuses everything, and says nothing of it; at rest, it fails if it is told to. */
    private record Silent(boolean failing) implements Simulation.World<String> {

        @Override
        public void start(Simulation.Host host) {}

        @Override
        public Object perform(String action, String id) {
            throw new Mute();
        }

        @Override
        public void done(String action, String id, Object result) {}

        @Override
        public void refused(String action, String id, Exception thrown) {}

        @Override
        public void unknown(String action, String id) {}

        @Override
        public void checkAtRest() {
            if (failing) {
                throw new Mute();
            }
        }
    }

    @Test
    void a_refusal_that_cannot_be_put_into_words_is_one_and_a_failure_is_told_with_its_seed() {
        var tally = Simulation.<String, Silent>of(clock -> new Silent(false))
                .action("ask", 1, random -> "ask")
                .explore(2, 1);
        assertThat(tally.count("ask: refused")).isPositive();

        assertThatThrownBy(() -> Simulation.<String, Silent>of(clock -> new Silent(true))
                        .action("ask", 1, random -> "ask")
                        .explore(1, 7))
                .isInstanceOf(AssertionError.class)
                .hasMessageStartingWith("Seed 7 fails: " + Mute.class.getName())
                .hasMessageContaining("It was run a second time and went the same way")
                .hasCauseInstanceOf(Mute.class);
    }
}
