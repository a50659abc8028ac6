package dev.cqrs.gather;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.cqrs.gather.Gather.Dropped;
import dev.cqrs.gather.Gather.Source;
import dev.cqrs.gather.Gathered.Answered;
import dev.cqrs.gather.Gathered.Cancelled;
import dev.cqrs.gather.Gathered.Failed;
import dev.cqrs.gather.Gathered.Late;
import dev.cqrs.gather.Gathered.Outcome;
import dev.cqrs.gather.Gathered.Rejected;
import dev.cqrs.inmemory.InMemoryQueryBus;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.WiringException;
import dev.cqrs.query.Query;
import dev.cqrs.testing.SeededScheduler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class GatherTest {

    private static final Duration LONG = Duration.ofMinutes(1);
    private static final Duration FOR_EVER = Duration.ofSeconds(Long.MAX_VALUE);
    private static final Executor DIRECT = Runnable::run;

    record StatementOf(String account) implements Query<Gathered<String>> {}

    private static final StatementOf QUERY = new StatementOf("4711");
    private static final Source<StatementOf, String> OWNER = Source.of("owner", q -> "owner of " + q.account());
    private static final Source<StatementOf, Integer> CARDS = Source.of("cards", q -> 2);

    private final ExecutorService pool = Executors.newFixedThreadPool(4);

    @AfterEach
    void end_the_pool() throws InterruptedException {
        pool.shutdownNow();
        assertThat(pool.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
    }

    // ---- answers

    @Test
    void the_answers_of_all_sources_are_merged_through_the_query_bus() {
        // given
        var bus = InMemoryQueryBus.builder()
                .handle(
                        StatementOf.class,
                        Gather.builder(StatementOf.class, pool, LONG)
                                .require(OWNER)
                                .ask(CARDS)
                                .merge((query, answers) ->
                                        query.account() + ": " + answers.get(OWNER) + ", " + answers.get(CARDS)))
                .build();

        // when
        var statement = bus.ask(QUERY);

        // then
        assertThat(statement.value()).isEqualTo("4711: owner of 4711, 2");
        assertThat(statement.isComplete()).isTrue();
        assertThat(statement.outcomes())
                .containsExactly(Map.entry("owner", new Answered()), Map.entry("cards", new Answered()));
    }

    @Test
    void sources_run_at_the_same_time_and_are_given_the_metadata() throws Exception {
        // given two sources that wait for each other
        var together = new CyclicBarrier(2);
        var one = Source.<StatementOf, String>of("one", (query, metadata) -> {
            together.await(120, TimeUnit.SECONDS);
            return metadata.id().orElse("none");
        });
        var other = Source.<StatementOf, Integer>of("other", query -> together.await(120, TimeUnit.SECONDS));
        var gather = Gather.builder(StatementOf.class, pool, LONG)
                .require(one)
                .require(other)
                .merge((query, answers) -> answers.get(one));

        // when, then
        assertThat(gather.handle(QUERY, Metadata.withId("q-1")).value()).isEqualTo("q-1");
    }

    @Test
    void what_may_be_missing_is_told_by_its_outcome() throws Exception {
        // given
        var broken = new IOException("no disk");
        var failing = Source.<StatementOf, String>of("failing", query -> {
            throw broken;
        });
        var error = Source.<StatementOf, String>of("error", query -> {
            throw new StackOverflowError();
        });
        var empty = Source.<StatementOf, String>of("empty", GatherTest::nothing);
        var gather = Gather.builder(StatementOf.class, DIRECT, LONG)
                .ask(failing)
                .ask(error)
                .ask(empty)
                .ask(OWNER)
                .merge((query, answers) -> {
                    assertThat(answers.find(failing)).isEmpty();
                    assertThatThrownBy(() -> answers.get(error))
                            .isInstanceOf(NoSuchElementException.class)
                            .hasMessageContaining("\"error\"");
                    assertThatThrownBy(() -> answers.find(CARDS))
                            .isInstanceOf(IllegalArgumentException.class)
                            .hasMessageContaining("\"cards\"");
                    return answers.get(OWNER);
                });

        // when
        var gathered = gather.handle(QUERY, Metadata.none());

        // then
        assertThat(gathered.value()).isEqualTo("owner of 4711");
        assertThat(gathered.isComplete()).isFalse();
        assertThat(gathered.outcomes()).containsEntry("failing", new Failed(broken));
        assertThat(gathered.outcomes().get("error"))
                .isInstanceOfSatisfying(
                        Failed.class, failed -> assertThat(failed.cause()).isInstanceOf(StackOverflowError.class));
        assertThat(gathered.outcomes().get("empty"))
                .isInstanceOfSatisfying(
                        Failed.class,
                        failed -> assertThat(failed.cause())
                                .isInstanceOf(NullPointerException.class)
                                .hasMessageContaining("\"empty\""));
        assertThat(gathered.outcomes()).containsEntry("owner", new Answered());
    }

    @Test
    void a_task_that_the_executor_refuses_is_told_and_the_others_are_asked() throws Exception {
        var taken = new ArrayList<Runnable>();
        Executor full = task -> {
            if (!taken.isEmpty()) {
                throw new RejectedExecutionException("full");
            }
            taken.add(task);
            task.run();
        };
        var gather = Gather.builder(StatementOf.class, full, LONG)
                .ask(OWNER)
                .ask(CARDS)
                .merge((query, answers) -> answers.get(OWNER) + answers.find(CARDS));

        var gathered = gather.handle(QUERY, Metadata.none());

        assertThat(gathered.value()).isEqualTo("owner of 4711Optional.empty");
        assertThat(gathered.outcomes().get("cards"))
                .isInstanceOfSatisfying(
                        Rejected.class, rejected -> assertThat(rejected.cause()).hasMessage("full"));
    }

    @Test
    void a_merging_that_gives_null_is_refused() {
        var gather =
                Gather.builder(StatementOf.class, DIRECT, LONG).ask(OWNER).merge((query, answers) -> nothing(query));

        assertThatThrownBy(() -> gather.handle(QUERY, Metadata.none()))
                .isInstanceOf(NullPointerException.class)
                .hasMessageContaining("StatementOf");
    }

    // ---- required sources

    @Test
    void a_required_source_that_fails_decides_at_once_and_the_others_are_cancelled() throws Exception {
        // given a source that ends only when it is interrupted, and an asker that would wait for ever
        var begun = new CountDownLatch(1);
        var interrupted = new CountDownLatch(1);
        var broken = new IllegalStateException("no disk");
        var asker = Thread.currentThread();
        var endless = Source.<StatementOf, String>of("endless", query -> untilInterrupted(begun, interrupted));
        var failing = Source.<StatementOf, String>of("failing", query -> {
            begun.await();
            untilItWaits(asker);
            throw broken;
        });
        var gather = Gather.builder(StatementOf.class, pool, FOR_EVER)
                .ask(endless)
                .require(failing)
                .merge((query, answers) -> "never");

        // when
        var thrown = catchThrowableOfType(GatherFailedException.class, () -> gather.handle(QUERY, Metadata.none()));

        // then
        assertThat(thrown).hasCause(broken).hasMessageContaining("\"failing\"").hasMessageContaining("no disk");
        assertThat(thrown.outcomes())
                .containsExactly(Map.entry("endless", new Cancelled()), Map.entry("failing", new Failed(broken)));
        assertThat(interrupted.await(120, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void after_a_required_source_was_refused_no_other_is_asked() {
        var asked = new AtomicBoolean();
        Executor full = task -> {
            throw new RejectedExecutionException("full");
        };
        var gather = Gather.builder(StatementOf.class, full, LONG)
                .require(OWNER)
                .ask(Source.of("other", query -> asked.getAndSet(true)))
                .merge((query, answers) -> "never");

        var thrown = catchThrowableOfType(GatherFailedException.class, () -> gather.handle(QUERY, Metadata.none()));

        assertThat(thrown).hasCauseInstanceOf(RejectedExecutionException.class);
        assertThat(thrown.outcomes()).containsEntry("other", new Cancelled());
        assertThat(asked).isFalse();
    }

    @Test
    void what_other_sources_threw_is_suppressed_in_the_failure() {
        var first = new IOException("first");
        var second = new IOException("second");
        var gather = Gather.builder(StatementOf.class, DIRECT, LONG)
                .ask(Source.<StatementOf, String>of("optional", query -> {
                    throw first;
                }))
                .require(Source.<StatementOf, String>of("required", query -> {
                    throw second;
                }))
                .merge((query, answers) -> "never");

        assertThatThrownBy(() -> gather.handle(QUERY, Metadata.none()))
                .isInstanceOf(GatherFailedException.class)
                .hasCause(second)
                .satisfies(thrown -> assertThat(thrown.getSuppressed()).containsExactly(first));
    }

    @Test
    void a_failure_names_the_source_that_decided_it_and_not_another_that_was_cancelled_for_it() {
        var begun = new CountDownLatch(1);
        var interrupted = new CountDownLatch(1);
        var gather = Gather.builder(StatementOf.class, pool, LONG)
                .require(Source.<StatementOf, String>of("endless", query -> untilInterrupted(begun, interrupted)))
                .require(Source.<StatementOf, String>of("failing", query -> {
                    begun.await();
                    throw new IOException("no disk");
                }))
                .merge((query, answers) -> "never");

        assertThatThrownBy(() -> gather.handle(QUERY, Metadata.none()))
                .isInstanceOf(GatherFailedException.class)
                .hasMessageContaining("the required source \"failing\" gave none");
    }

    @Test
    void of_several_required_ones_that_fail_the_first_is_the_cause() {
        // given an asker that wakes late
        var first = new IOException("first");
        var second = new IOException("second");
        var queue = new ArrayList<Runnable>();
        var gather = Gather.builder(StatementOf.class, queue::add, LONG)
                .require(Source.<StatementOf, String>of("fails second", query -> {
                    throw second;
                }))
                .require(Source.<StatementOf, String>of("fails first", query -> {
                    throw first;
                }))
                .waiting((changed, done, timeout) -> {
                    queue.get(1).run();
                    queue.get(0).run();
                })
                .merge((query, answers) -> "never");

        // when, then
        assertThatThrownBy(() -> gather.handle(QUERY, Metadata.none()))
                .isInstanceOf(GatherFailedException.class)
                .hasMessageContaining("\"fails first\"")
                .hasCause(first)
                .satisfies(thrown -> assertThat(thrown.getSuppressed()).containsExactly(second));
    }

    @Test
    void a_failure_tells_what_became_of_each_source() throws Exception {
        // given
        var refused = new RejectedExecutionException("full");
        var outcomes = new LinkedHashMap<String, Outcome>();
        outcomes.put("a", new Answered());
        outcomes.put("b", new Failed(new IOException("no disk")));
        outcomes.put("c", new Late(LONG));
        outcomes.put("d", new Rejected(refused));
        outcomes.put("e", new Cancelled());

        // when
        var thrown = new GatherFailedException(StatementOf.class, "b", outcomes);

        // then
        assertThat(thrown)
                .hasMessageContaining("\"a\" answered, \"b\" failed with java.io.IOException: no disk,"
                        + " \"c\" was late after PT1M, \"d\" was not asked, as the executor threw " + refused
                        + ", \"e\" was cancelled.");
        assertThat(thrown.getSuppressed()).containsExactly(refused);
        assertThat(thrown.outcomes()).isEqualTo(outcomes);

        // and read again after it was written
        var bytes = new ByteArrayOutputStream();
        new ObjectOutputStream(bytes).writeObject(thrown);
        var read = (GatherFailedException)
                new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray())).readObject();
        assertThat(read).hasMessage(thrown.getMessage());
        assertThat(read.outcomes()).isEmpty();
    }

    @Test
    @SuppressWarnings("OverrideThrowableToString") // what must not be
    void a_source_whose_failure_cannot_tell_what_it_is_fails_the_gather_like_any_other() {
        var mute = new IOException("why") {
            @Override
            public String toString() {
                throw new IllegalStateException("mute");
            }
        };
        var endless = new RejectedExecutionException("full") {
            @Override
            public String toString() {
                throw new StackOverflowError("it turns on itself");
            }
        };
        var outcomes = new LinkedHashMap<String, Outcome>();
        outcomes.put("mute", new Failed(mute));
        outcomes.put("endless", new Rejected(endless));

        var thrown = new GatherFailedException(StatementOf.class, "mute", outcomes);

        assertThat(thrown.getMessage())
                .contains("\"mute\" failed with " + mute.getClass().getName())
                .contains("\"endless\" was not asked, as the executor threw "
                        + endless.getClass().getName());
        assertThat(thrown.getCause() == mute).isTrue();
        assertThat(thrown.getSuppressed()[0] == endless).isTrue();
    }

    // ---- the deadline

    @Test
    void a_source_that_is_late_is_interrupted_and_what_it_throws_is_counted() throws Exception {
        // given a deadline that comes when the endless source has begun and the other has answered
        var begun = new CountDownLatch(1);
        var interrupted = new CountDownLatch(1);
        var ended = new CountDownLatch(2);
        var clean = new AtomicBoolean();
        var endless = Source.<StatementOf, String>of("endless", query -> untilInterrupted(begun, interrupted));
        var gather = Gather.builder(StatementOf.class, pool, LONG)
                .ask(endless)
                .ask(OWNER)
                .context(() -> task -> () -> {
                    task.run();
                    clean.set(!Thread.currentThread().isInterrupted());
                    ended.countDown();
                })
                .waiting((changed, done, timeout) -> {
                    while (begun.getCount() > 0 || ended.getCount() > 1) {
                        changed.awaitNanos(1_000_000);
                    }
                })
                .merge((query, answers) -> answers.get(OWNER));

        // when
        var gathered = gather.handle(QUERY, Metadata.none());

        // then
        assertThat(gathered.outcomes())
                .containsExactly(Map.entry("endless", new Late(LONG)), Map.entry("owner", new Answered()));
        assertThat(interrupted.await(120, TimeUnit.SECONDS)).isTrue();
        assertThat(ended.await(120, TimeUnit.SECONDS)).isTrue();
        assertThat(gather.dropped()).isEqualTo(new Dropped(0, 1));
        assertThat(clean).as("the interrupt stays with the source").isTrue();
    }

    @Test
    void an_answer_that_comes_late_is_dropped_and_counted() throws Exception {
        // given a source that answers when the gather has ended, and takes no notice of the interrupt
        var begun = new CountDownLatch(1);
        var over = new CountDownLatch(1);
        var ended = new CountDownLatch(1);
        var clean = new AtomicBoolean();
        var stubborn = Source.<StatementOf, String>of("stubborn", query -> {
            begun.countDown();
            while (over.getCount() > 0) {
                Thread.onSpinWait();
            }
            return "too late";
        });
        var gather = Gather.builder(StatementOf.class, pool, LONG)
                .ask(stubborn)
                .context(() -> task -> () -> {
                    task.run();
                    clean.set(!Thread.currentThread().isInterrupted());
                    ended.countDown();
                })
                .waiting((changed, done, timeout) -> begun.await())
                .merge((query, answers) -> answers.find(stubborn).orElse("nothing"));

        // when
        var gathered = gather.handle(QUERY, Metadata.none());
        assertThat(gather.dropped()).isEqualTo(new Dropped(0, 0));
        over.countDown();

        // then
        assertThat(gathered.value()).isEqualTo("nothing");
        assertThat(gathered.outcomes()).containsEntry("stubborn", new Late(LONG));
        assertThat(ended.await(120, TimeUnit.SECONDS)).isTrue();
        assertThat(gather.dropped()).isEqualTo(new Dropped(1, 0));
        assertThat(clean).as("the interrupt ends with the source").isTrue();
    }

    @Test
    void the_longest_time_out_there_is_means_for_ever() throws Exception {
        // given a source that answers once the asker waits
        var asker = Thread.currentThread();
        var patient = Source.<StatementOf, String>of("patient", query -> {
            untilItWaits(asker);
            return "at last";
        });
        var gather = Gather.builder(StatementOf.class, pool, FOR_EVER)
                .ask(patient)
                .merge((query, answers) -> answers.find(patient).orElse("nothing"));

        // when, then
        assertThat(gather.handle(QUERY, Metadata.none()).value()).isEqualTo("at last");
    }

    @Test
    void a_task_that_waits_in_the_executor_is_not_begun_after_the_deadline() throws Exception {
        var queue = new ArrayList<Runnable>();
        var asked = new AtomicBoolean();
        var gather = Gather.builder(StatementOf.class, queue::add, Duration.ofMillis(1))
                .ask(Source.of("asked", query -> asked.getAndSet(true)))
                .merge((query, answers) -> "nothing");

        assertThat(gather.handle(QUERY, Metadata.none()).outcomes())
                .containsEntry("asked", new Late(Duration.ofMillis(1)));
        Thread.currentThread().interrupt(); // somebody else's
        queue.forEach(Runnable::run);

        assertThat(Thread.interrupted()).isTrue();
        assertThat(asked).isFalse();
        assertThat(gather.dropped()).isEqualTo(new Dropped(0, 0));
    }

    /** What one source is made to do. */
    private record Kind(int due, boolean fails, boolean required) {}

    @Test
    void outcomes_follow_from_who_comes_when_in_every_order() {
        SeededScheduler.explore(2_000, 1, scheduler -> {
            // given some sources that answer or fail, each at a time of its own, half of them too late
            int deadline = 1 + 2 * scheduler.choose(10);
            var kinds = new ArrayList<Kind>();
            var due = new ArrayList<>(List.of(2, 4, 6, 8, 10, 12, 14, 16, 18, 20));
            int sources = 1 + scheduler.choose(6);
            for (int i = 0; i < sources; i++) {
                kinds.add(new Kind(
                        due.remove(scheduler.choose(due.size())), scheduler.choose(3) == 0, scheduler.choose(3) == 0));
            }
            var next = new ArrayList<>(kinds);
            Executor delaying =
                    task -> scheduler.schedule(Duration.ofMillis(next.remove(0).due()), task);
            var builder = Gather.builder(StatementOf.class, delaying, Duration.ofMillis(deadline))
                    .waiting((changed, done, timeout) -> {
                        var over = new AtomicBoolean();
                        scheduler.schedule(timeout, () -> over.set(true));
                        while (!done.getAsBoolean() && !over.get()) {
                            scheduler.runOne();
                        }
                    });
            for (int i = 0; i < sources; i++) {
                var kind = kinds.get(i);
                var source = Source.<StatementOf, Integer>of("source " + i, query -> {
                    if (kind.fails()) {
                        throw new IllegalStateException("failed");
                    }
                    return kind.due();
                });
                builder = kind.required() ? builder.require(source) : builder.ask(source);
            }
            var gather = builder.merge((query, answers) -> "merged");

            // when
            Map<String, Outcome> outcomes;
            boolean failed = false;
            try {
                outcomes = gather.handle(QUERY, Metadata.none()).outcomes();
            } catch (GatherFailedException thrown) {
                outcomes = thrown.outcomes();
                failed = true;
            }

            // then
            int end = kinds.stream()
                    .filter(kind -> kind.required() && kind.fails())
                    .mapToInt(Kind::due)
                    .filter(time -> time < deadline)
                    .min()
                    .orElse(deadline);
            var expected = new LinkedHashMap<String, Class<?>>();
            for (int i = 0; i < sources; i++) {
                var kind = kinds.get(i);
                expected.put(
                        "source " + i,
                        kind.due() > end
                                ? end == deadline ? Late.class : Cancelled.class
                                : kind.fails() ? Failed.class : Answered.class);
            }
            var found = new LinkedHashMap<String, Class<?>>();
            outcomes.forEach((name, outcome) -> found.put(name, outcome.getClass()));
            assertThat(found).isEqualTo(expected);
            assertThat(failed)
                    .isEqualTo(kinds.stream().anyMatch(kind -> kind.required() && (kind.fails() || kind.due() > end)));
            scheduler.runAll();
            assertThat(gather.dropped()).isEqualTo(new Dropped(0, 0));
        });
    }

    // ---- the asker

    @Test
    void an_interrupt_of_the_asker_reaches_the_sources() throws Exception {
        // given
        var begun = new CountDownLatch(1);
        var interrupted = new CountDownLatch(1);
        var bus = InMemoryQueryBus.builder()
                .handle(
                        StatementOf.class,
                        Gather.builder(StatementOf.class, pool, LONG)
                                .ask(Source.<StatementOf, String>of(
                                        "endless", query -> untilInterrupted(begun, interrupted)))
                                .merge((query, answers) -> "never"))
                .build();
        var told = new LinkedBlockingQueue<Throwable>();
        var flag = new AtomicBoolean();
        var asker = new Thread(() -> {
            try {
                bus.ask(QUERY);
            } catch (Throwable thrown) {
                flag.set(Thread.currentThread().isInterrupted());
                told.add(thrown);
            }
        });

        // when
        asker.start();
        assertThat(begun.await(120, TimeUnit.SECONDS)).isTrue();
        asker.interrupt();
        asker.join(120_000);

        // then
        assertThat(interrupted.await(120, TimeUnit.SECONDS)).isTrue();
        assertThat(told)
                .singleElement()
                .satisfies(thrown -> assertThat(thrown)
                        .isInstanceOf(HandlerFailedException.class)
                        .hasCauseInstanceOf(InterruptedException.class));
        assertThat(flag).isTrue();
    }

    @Test
    void the_context_of_the_asker_is_captured_once_and_is_there_while_a_source_runs() throws Exception {
        // given a context that each thread has for itself, as loggers do
        var perThread = new ConcurrentHashMap<Thread, String>();
        var captures = new ArrayList<String>();
        var gather = Gather.builder(StatementOf.class, pool, LONG)
                .require(Source.of("one", query -> mine(perThread)))
                .require(Source.of("other", query -> mine(perThread)))
                .context(() -> {
                    var mine = mine(perThread);
                    captures.add(mine);
                    return task -> () -> {
                        perThread.put(Thread.currentThread(), mine);
                        try {
                            task.run();
                        } finally {
                            perThread.remove(Thread.currentThread());
                        }
                    };
                })
                .merge((query, answers) -> "merged");
        perThread.put(Thread.currentThread(), "tenant blue");

        // when
        var gathered = gather.handle(QUERY, Metadata.none());

        // then
        assertThat(gathered.isComplete()).isTrue();
        assertThat(captures).containsExactly("tenant blue");
    }

    @Test
    void an_interrupt_that_reaches_a_source_on_the_askers_thread_is_the_askers_all_the_same() {
        // given an executor that runs what it has no room for on the asking thread
        var later = new AtomicBoolean();
        var gather = Gather.builder(StatementOf.class, DIRECT, LONG)
                .ask(Source.<StatementOf, String>of("slow", query -> {
                    throw new InterruptedException("the asker's"); // which has taken the flag
                }))
                .merge((query, answers) -> {
                    later.set(true);
                    return "as if nothing had been";
                });

        // when
        assertThatThrownBy(() -> gather.handle(QUERY, Metadata.none())).isInstanceOf(InterruptedException.class);

        // then
        assertThat(later).isFalse();
        assertThat(Thread.currentThread().isInterrupted()).isFalse();
    }

    @Test
    void a_context_that_throws_on_the_sources_thread_is_the_sources_failure_at_once() throws Exception {
        var gather = Gather.builder(StatementOf.class, pool, LONG)
                .context(() -> task -> () -> {
                    throw new IllegalStateException("context");
                })
                .ask(OWNER)
                .merge((query, answers) -> answers.find(OWNER).orElse("nobody"));

        var gathered = gather.handle(QUERY, Metadata.none());

        assertThat(gathered.outcomes().get("owner"))
                .isInstanceOfSatisfying(
                        Failed.class, failed -> assertThat(failed.cause()).hasMessage("context"));
    }

    @Test
    @SuppressWarnings("NullAway") // what must not be
    void a_context_that_cannot_wrap_a_source_is_that_sources_failure_and_not_the_executors() throws Exception {
        var broken = new IllegalStateException("context");
        UnaryOperator<Runnable> throwing = task -> {
            throw broken;
        };
        UnaryOperator<Runnable> nothing = task -> null;
        for (var wrap : List.of(throwing, nothing)) {
            var gather = Gather.builder(StatementOf.class, pool, LONG)
                    .context(() -> wrap)
                    .ask(OWNER)
                    .merge((query, answers) -> answers.find(OWNER).orElse("nobody"));

            var gathered = gather.handle(QUERY, Metadata.none());

            assertThat(gathered.value()).isEqualTo("nobody");
            assertThat(gathered.outcomes().get("owner")).isInstanceOfSatisfying(Failed.class, failed -> {
                if (wrap == throwing) {
                    assertThat(failed.cause()).isSameAs(broken);
                } else {
                    assertThat(failed.cause()).hasMessageContaining("context");
                }
            });
        }
    }

    @Test
    void an_interrupt_that_the_executor_takes_without_saying_so_is_the_askers_all_the_same() {
        // given an executor that waits for room, in a language without checked exceptions
        Executor waiting = task -> sneak(new InterruptedException("no room yet"));
        var gather = Gather.builder(StatementOf.class, waiting, LONG)
                .ask(OWNER)
                .merge((query, answers) -> "as if nothing had been");

        assertThatThrownBy(() -> gather.handle(QUERY, Metadata.none())).isInstanceOf(InterruptedException.class);
    }

    @SuppressWarnings("unchecked") // what must not be
    private static <X extends Throwable> void sneak(Throwable thrown) throws X {
        throw (X) thrown;
    }

    @Test
    void what_a_context_throws_when_the_source_has_ended_is_the_executors_and_the_answer_stays() throws Exception {
        var broken = new IllegalStateException("context");
        var thrown = new ArrayList<Throwable>();
        Executor catching = task -> {
            try {
                task.run();
            } catch (RuntimeException uncaught) {
                thrown.add(uncaught);
            }
        };
        for (var executor : List.of(DIRECT, catching)) {
            var gather = Gather.builder(StatementOf.class, executor, LONG)
                    .context(() -> task -> () -> {
                        task.run();
                        throw broken;
                    })
                    .require(OWNER)
                    .require(CARDS)
                    .merge((query, answers) -> answers.get(OWNER) + ", " + answers.get(CARDS));

            assertThat(gather.handle(QUERY, Metadata.none()).value()).isEqualTo("owner of 4711, 2");
        }
        assertThat(thrown).containsExactly(broken, broken);
    }

    @Test
    void an_interrupt_that_is_not_the_gathers_stays_with_the_thread() throws Exception {
        var stays = new AtomicBoolean();
        var gather = Gather.builder(StatementOf.class, pool, LONG)
                .context(() -> task -> () -> {
                    task.run();
                    stays.set(Thread.interrupted());
                })
                .ask(Source.<StatementOf, String>of("interrupted", query -> {
                    Thread.currentThread().interrupt();
                    return "an answer";
                }))
                .merge((query, answers) -> "merged");

        assertThat(gather.handle(QUERY, Metadata.none()).isComplete()).isTrue();

        pool.shutdown();
        assertThat(pool.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
        assertThat(stays).isTrue();
    }

    @Test
    void a_context_that_cannot_be_captured_fails_the_query() {
        var gather = Gather.builder(StatementOf.class, DIRECT, LONG)
                .ask(OWNER)
                .context(() -> {
                    throw new IllegalStateException("no context");
                })
                .merge((query, answers) -> "never");

        assertThatThrownBy(() -> gather.handle(QUERY, Metadata.none())).hasMessage("no context");
    }

    // ---- wiring

    @Test
    void every_fault_of_the_wiring_is_told() {
        assertThatThrownBy(() -> Gather.builder(StatementOf.class, DIRECT, LONG).merge((query, answers) -> "never"))
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("has no source");
        assertThatThrownBy(() -> Gather.builder(StatementOf.class, DIRECT, LONG)
                        .ask(OWNER)
                        .require(Source.<StatementOf, String>of("owner", query -> "other"))
                        .merge((query, answers) -> "never"))
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("\"owner\"");
        assertThatThrownBy(() -> Gather.builder(StatementOf.class, DIRECT, Duration.ZERO))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("PT0S");
        assertThatThrownBy(() -> Gather.builder(StatementOf.class, DIRECT, Duration.ofSeconds(-1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("PT-1S");
        assertThat(OWNER).hasToString("Source[owner]");
        assertThatThrownBy(() -> Source.of(" ", query -> "never")).isInstanceOf(IllegalArgumentException.class);
    }

    private static String mine(Map<Thread, String> perThread) {
        return perThread.getOrDefault(Thread.currentThread(), "nothing");
    }

    private static void untilItWaits(Thread asker) {
        while (asker.getState() != Thread.State.TIMED_WAITING
                && !Thread.currentThread().isInterrupted()) {
            Thread.onSpinWait();
        }
    }

    private static String untilInterrupted(CountDownLatch begun, CountDownLatch interrupted)
            throws InterruptedException {
        begun.countDown();
        try {
            new CountDownLatch(1).await();
            return "never";
        } finally {
            interrupted.countDown();
        }
    }

    @SuppressWarnings("NullAway") // what must not be
    private static String nothing(StatementOf query) {
        return null;
    }
}
