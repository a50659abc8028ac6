package dev.cqrs.live;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.message.Interceptor;
import dev.cqrs.projection.Projection;
import dev.cqrs.query.Query;
import dev.cqrs.runtime.ProjectionFailure;
import dev.cqrs.runtime.ProjectionStatus;
import dev.cqrs.runtime.ProjectionStoppedException;
import dev.cqrs.runtime.Rebuild;
import dev.cqrs.testing.SeededScheduler;
import java.lang.ref.WeakReference;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LiveQueryTest {

    record Added(int number) {}

    /** Asks for the sum. */
    record Sum() implements Query<Integer> {}

    /** Asks about the list, by its family. */
    sealed interface OfList extends Query<Integer> {}

    record Size() implements OfList {}

    record Handmade() implements Query<Integer> {}

    private static final Projection<Integer> SUM =
            Projection.of("sum", 1, Fold.from(0).on(Added.class, (sum, e) -> sum + e.number()));

    /** Changed in place, and stops at a negative number. */
    private static final Projection<List<Integer>> LIST =
            Projection.of("list", 1, Fold.<List<Integer>>fresh(ArrayList::new).change(Added.class, (list, e) -> {
                if (e.number() < 0) {
                    throw new IllegalArgumentException("negative");
                }
                list.add(e.number());
            }));

    private static final Clock CLOCK = Clock.fixed(Instant.EPOCH, ZoneOffset.UTC);
    private static final Executor DIRECT = Runnable::run;

    private final List<ProjectionFailure> failures = new ArrayList<>();
    private final InMemoryCqrs app = app(DIRECT, false);

    private InMemoryCqrs app(Executor executor, boolean background) {
        var builder = InMemoryCqrs.builder(CLOCK)
                .event("added", Added.class)
                .query(Sum.class, SUM, (query, sum) -> sum)
                .query(OfList.class, LIST, (query, list) -> list.size())
                .query(Handmade.class, query -> 1)
                .onError(failures::add);
        return (background ? builder.background(SUM, executor) : builder).build();
    }

    /** A live sum that counts how often its query is asked, and does something whenever it has the sum. */
    private LiveQuery<Integer> counted(
            AtomicInteger asked, Consumer<Integer> then, Backlog backlog, Executor executor) {
        return LiveQuery.of(
                app.view(SUM),
                () -> {
                    int sum = app.ask(new Sum());
                    asked.incrementAndGet();
                    then.accept(sum);
                    return sum;
                },
                backlog,
                executor);
    }

    /** Adds on a thread of its own, and waits for it. */
    private void addElsewhere(int number) {
        var thread = new Thread(() -> add(app, number));
        thread.start();
        try {
            thread.join();
        } catch (InterruptedException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static void runAll(Queue<Runnable> tasks) {
        for (var task = tasks.poll(); task != null; task = tasks.poll()) {
            task.run();
        }
    }

    private static void add(InMemoryCqrs app, int number) {
        app.store().append(List.of(new Added(number)), AppendCondition.none());
    }

    private static void addOnes(InMemoryCqrs app, int times) {
        for (int i = 0; i < times; i++) {
            add(app, 1);
        }
    }

    /** Writes down all it is told. */
    private static class Told<R> implements Flow.Subscriber<R> {
        final List<Object> all = Collections.synchronizedList(new ArrayList<>());
        final CountDownLatch begun = new CountDownLatch(1);
        final CountDownLatch ended = new CountDownLatch(1);
        private final long first;
        private final Consumer<? super R> next;
        volatile Flow.Subscription subscription = new Flow.Subscription() {
            @Override
            public void request(long n) {}

            @Override
            public void cancel() {}
        };

        Told(long first, Consumer<? super R> next) {
            this.first = first;
            this.next = next;
        }

        Told(long first) {
            this(first, answer -> {});
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription = subscription;
            begun.countDown();
            if (first > 0) {
                subscription.request(first);
            }
        }

        @Override
        public void onNext(R answer) {
            all.add(answer);
            next.accept(answer);
        }

        @Override
        public void onError(Throwable why) {
            all.add(why);
            ended.countDown();
        }

        @Override
        public void onComplete() {
            all.add("complete");
            ended.countDown();
        }
    }

    private static List<Integer> from(int first, int last) {
        return IntStream.rangeClosed(first, last).boxed().toList();
    }

    // ---- the ordinary way

    @Test
    void a_subscriber_gets_the_answer_of_now_and_then_each_new_one() {
        for (var backlog : List.of(Backlog.latest(), Backlog.newest(1), Backlog.failing(1))) {
            try (var app = app(DIRECT, false)) {
                add(app, 5);
                var told = new Told<Integer>(Long.MAX_VALUE);

                app.live(new Sum(), backlog, DIRECT).subscribe(told);
                assertThat(told.all).containsExactly(5);
                add(app, 1);
                add(app, 0);
                add(app, 2);

                assertThat(told.all)
                        .as("without the answer that stayed the same")
                        .containsExactly(5, 6, 8);
            }
        }
    }

    @Test
    void a_view_that_is_changed_in_place_and_a_family_of_queries_are_live_too() {
        var told = new Told<Integer>(Long.MAX_VALUE);
        app.live(new Size(), Backlog.failing(1), DIRECT).subscribe(told);
        addOnes(app, 3);
        assertThat(told.all).containsExactly(0, 1, 2, 3);
    }

    @Test
    void a_version_that_takes_over_is_asked_like_any_other_change() {
        var twice = Projection.of("sum", 2, Fold.from(0).on(Added.class, (sum, e) -> sum + 2 * e.number()));
        for (var backlog : List.of(Backlog.latest(), Backlog.newest(1), Backlog.failing(1))) {
            try (var app = app(DIRECT, false)) {
                add(app, 5);
                var told = new Told<Integer>(Long.MAX_VALUE);
                app.live(new Sum(), backlog, DIRECT).subscribe(told);

                app.projections().rebuild(SUM, twice, DIRECT, progress -> {});
                add(app, 1);

                assertThat(told.all).containsExactly(5, 10, 12);
            }
        }
    }

    @Test
    void a_query_that_no_view_answers_is_refused_and_can_be_live_by_hand() {
        assertThatThrownBy(() -> app.live(new Handmade(), Backlog.latest(), DIRECT))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Handmade")
                .hasMessageContaining("LiveQuery.of");

        var told = new Told<Integer>(Long.MAX_VALUE);
        var number = new AtomicInteger();
        LiveQuery.of(app.view(SUM), () -> number.addAndGet(app.ask(new Handmade())), Backlog.latest(), DIRECT)
                .subscribe(told);
        add(app, 1);
        assertThat(told.all).containsExactly(1, 2);
    }

    @Test
    void interceptors_run_around_each_answer() {
        var asked = new ArrayList<Object>();
        Interceptor noting = (message, metadata, next) -> {
            asked.add(message);
            return next.proceed(message, metadata);
        };
        try (var app = InMemoryCqrs.builder(CLOCK)
                .event("added", Added.class)
                .query(Sum.class, SUM, (query, sum) -> sum)
                .intercept(1, noting)
                .build()) {
            app.live(new Sum(), Backlog.newest(1), DIRECT).subscribe(new Told<>(Long.MAX_VALUE));
            add(app, 1);
        }
        assertThat(asked).containsExactly(new Sum(), new Sum());
    }

    // ---- slow subscribers

    @Test
    void under_the_latest_a_slow_subscriber_gets_the_answer_of_the_time_it_asks() {
        var asked = new AtomicInteger();
        var told = new Told<Integer>(1);
        var live = LiveQuery.of(
                app.view(SUM),
                () -> {
                    asked.incrementAndGet();
                    return app.ask(new Sum());
                },
                Backlog.latest(),
                DIRECT);
        live.subscribe(told);
        addOnes(app, 100);
        assertThat(told.all).containsExactly(0);
        assertThat(asked).as("nothing is asked that nobody wants").hasValue(1);

        told.subscription.request(2);
        assertThat(told.all).containsExactly(0, 100);
        addOnes(app, 100);

        assertThat(told.all).containsExactly(0, 100, 101);
        assertThat(asked).hasValue(3);
        assertThat(live.dropped()).isZero();
    }

    @Test
    void under_the_newest_the_oldest_are_dropped_and_counted() {
        var told = new Told<Integer>(1);
        var live = app.live(new Sum(), Backlog.newest(3), DIRECT);
        live.subscribe(told);
        addOnes(app, 10);

        told.subscription.request(10);
        addOnes(app, 1);

        assertThat(told.all).containsExactly(0, 8, 9, 10, 11);
        assertThat(live.dropped()).isEqualTo(7);
    }

    @Test
    void under_failing_a_slow_subscriber_gets_what_waits_and_then_the_failure() {
        var told = new Told<Integer>(1);
        var live = app.live(new Sum(), Backlog.failing(3), DIRECT);
        live.subscribe(told);
        addOnes(app, 10);
        assertThat(told.all).containsExactly(0);

        told.subscription.request(2);
        assertThat(told.all).containsExactly(0, 1, 2);
        told.subscription.request(1);

        assertThat(told.all.subList(0, 4)).containsExactly(0, 1, 2, 3);
        assertThat(told.all.get(4))
                .isInstanceOfSatisfying(
                        SlowSubscriberException.class,
                        slow -> assertThat(slow.backlog()).isEqualTo(3));
        assertThat(told.all).hasSize(5);
        var again = new Told<Integer>(1);
        live.subscribe(again);
        assertThat(again.all).containsExactly(10);
    }

    @Test
    void an_answer_that_stays_the_same_takes_no_room() {
        var failing = new Told<Integer>(0);
        var newest = new Told<Integer>(0);
        app.live(new Sum(), Backlog.failing(1), DIRECT).subscribe(failing);
        var live = app.live(new Sum(), Backlog.newest(1), DIRECT);
        live.subscribe(newest);
        for (int i = 0; i < 5; i++) {
            add(app, 0);
        }

        failing.subscription.request(2);

        assertThat(failing.all).containsExactly(0);
        assertThat(live.dropped()).isZero();
    }

    @Test
    void for_a_subscriber_that_has_failed_nothing_more_is_asked() {
        var asked = new AtomicInteger();
        var told = new Told<Integer>(0);
        counted(asked, sum -> {}, Backlog.failing(1), DIRECT).subscribe(told);

        addOnes(app, 10);

        assertThat(asked).as("the first, and the one that came too early").hasValue(2);
        told.subscription.request(1);
        assertThat(told.all).hasSize(2).first().isEqualTo(0);
        assertThat(told.all.get(1)).isInstanceOf(SlowSubscriberException.class);
    }

    @Test
    void under_the_latest_a_subscriber_that_asks_for_nothing_costs_no_task_but_is_told_of_a_stop() {
        var tasks = new AtomicInteger();
        Executor counting = task -> {
            tasks.incrementAndGet();
            task.run();
        };
        var told = new Told<Integer>(1);
        app.live(new Size(), Backlog.latest(), counting).subscribe(told);
        int before = tasks.get();

        addOnes(app, 10);
        assertThat(tasks).hasValue(before);
        add(app, -1);

        assertThat(told.all).hasSize(2).first().isEqualTo(0);
        assertThat(told.all.get(1)).isInstanceOf(ProjectionStoppedException.class);
    }

    @Test
    void ten_thousand_answers_wait_and_none_is_lost() throws Exception {
        int changes = 10_000;
        ExecutorService pool = Executors.newFixedThreadPool(2);
        var told = new Told<Integer>(0);
        app.live(new Sum(), Backlog.failing(changes + 1), pool).subscribe(told);
        assertThat(told.begun.await(120, TimeUnit.SECONDS)).isTrue(); // what is asked before that, nobody hears
        for (int i = 0; i < changes; i++) {
            add(app, 1);
            if (i == changes / 2) { // from here on it is taken while more comes
                pool.execute(() -> told.subscription.request(Long.MAX_VALUE));
            }
        }
        app.close();
        assertThat(told.ended.await(120, TimeUnit.SECONDS)).isTrue();
        pool.shutdown();
        var expected = new ArrayList<Object>(from(0, changes));
        expected.add("complete");
        assertThat(told.all).isEqualTo(expected);
    }

    @Test
    void a_backlog_of_none_is_refused() {
        assertThatThrownBy(() -> Backlog.newest(0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Backlog.failing(-1)).isInstanceOf(IllegalArgumentException.class);
    }

    // ---- orders of events

    @Test
    void nothing_is_lost_and_nothing_comes_twice_in_every_order_of_appends_requests_and_subscribing() {
        SeededScheduler.explore(1_000, 1, scheduler -> {
            // given a live query, of an inline or a background view
            boolean background = scheduler.choose(2) == 0;
            var app = app(scheduler.named("projection"), background);
            var backlogs = List.of(Backlog.latest(), Backlog.newest(2), Backlog.failing(100));
            var backlog = backlogs.get(scheduler.choose(3));
            var live = app.live(new Sum(), backlog, scheduler.named("subscriber"));
            var told = new Told<Integer>(0);
            int changes = 10;

            // when somebody subscribes between the appends, and asks for answers now and then
            scheduler.named("subscribing").execute(() -> live.subscribe(told));
            for (int i = 0; i < changes; i++) {
                scheduler.named("appending").execute(() -> add(app, 1));
                scheduler.named("requesting").execute(() -> told.subscription.request(1 + scheduler.choose(2)));
            }
            scheduler.runAll();
            told.subscription.request(100);
            scheduler.runAll();

            // then each answer is newer than the one before, and the last is that of now
            var answers = told.all.stream().map(Integer.class::cast).toList();
            assertThat(answers).isSorted().doesNotHaveDuplicates().last().isEqualTo(changes);
            if (backlog instanceof Backlog.Failing && !background) {
                assertThat(answers).isEqualTo(from(answers.get(0), changes));
            }
            if (backlog instanceof Backlog.Newest && !background) {
                assertThat(answers.size() + live.dropped()).isGreaterThanOrEqualTo(changes - answers.get(0));
            }
            app.close();
            scheduler.runAll();
            assertThat(told.all.get(answers.size())).isEqualTo("complete");
            assertThat(told.all).hasSize(answers.size() + 1);
        });
    }

    @Test
    void whoever_subscribes_while_somebody_appends_misses_no_change() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(3);
        for (int round = 0; round < 200; round++) {
            try (var app = app(DIRECT, false)) {
                var go = new CountDownLatch(1);
                var appending = pool.submit(() -> {
                    go.await();
                    addOnes(app, 50);
                    return true;
                });
                var last = new CountDownLatch(1);
                var told = new Told<Integer>(Long.MAX_VALUE, answer -> {
                    if (answer == 50) {
                        last.countDown();
                    }
                });
                var live = app.live(new Sum(), Backlog.failing(100), pool);
                go.countDown();
                live.subscribe(told);
                assertThat(appending.get(120, TimeUnit.SECONDS)).isTrue();
                assertThat(last.await(120, TimeUnit.SECONDS)).isTrue();
                app.projections().close();
                assertThat(told.ended.await(120, TimeUnit.SECONDS)).isTrue();

                assertThat(told.all).last().isEqualTo("complete");
                assertThat(told.all.subList(0, told.all.size() - 1).stream()
                                .map(Integer.class::cast)
                                .toList())
                        .isSorted()
                        .doesNotHaveDuplicates()
                        .last()
                        .isEqualTo(50);
            }
        }
        pool.shutdown();
    }

    @Test
    void several_threads_that_append_give_answers_in_order_up_to_the_last() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(5);
        for (var backlog : List.of(Backlog.latest(), Backlog.newest(4), Backlog.failing(5_000))) {
            try (var app = app(DIRECT, false)) {
                var told = new Told<Integer>(0, answer -> {});
                var last = new CountDownLatch(1);
                var one =
                        new Told<Integer>(1, answer -> {
                            told.all.add(answer);
                            if (answer == 4_000) {
                                last.countDown();
                            }
                        }) {
                            @Override
                            public void onNext(Integer answer) {
                                super.onNext(answer);
                                subscription.request(1);
                            }
                        };
                app.live(new Sum(), backlog, pool).subscribe(one);
                for (int thread = 0; thread < 4; thread++) {
                    pool.execute(() -> addOnes(app, 1_000));
                }
                assertThat(last.await(60, TimeUnit.SECONDS)).isTrue();
                assertThat(told.all.stream().map(Integer.class::cast).toList())
                        .isSorted()
                        .doesNotHaveDuplicates();
            }
        }
        pool.shutdown();
    }

    @Test
    void nobody_waits_for_the_query_of_another_thread() throws Exception {
        // given a thread that appends and is in the middle of the query, perhaps with locks of its own
        var inside = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        ExecutorService pool = Executors.newFixedThreadPool(2);
        var told = new Told<Integer>(0);
        var asked = new AtomicInteger();
        Consumer<Integer> staying = sum -> {
            if (sum == 1) {
                inside.countDown();
                awaitQuietly(goOn);
            }
        };
        counted(asked, staying, Backlog.newest(10), DIRECT).subscribe(told);
        var first = pool.submit(() -> add(app, 1));
        assertThat(inside.await(120, TimeUnit.SECONDS)).isTrue();

        // when another thread appends twice, and the subscriber asks for what waits
        pool.submit(() -> addOnes(app, 2)).get(120, TimeUnit.SECONDS);
        pool.submit(() -> told.subscription.request(10)).get(120, TimeUnit.SECONDS);

        // then neither has waited, and the first asks once more for both
        assertThat(told.all).containsExactly(0);
        goOn.countDown();
        first.get(120, TimeUnit.SECONDS);
        assertThat(told.all).containsExactly(0, 1, 3);
        assertThat(asked).hasValue(3);
        pool.shutdown();
    }

    @Test
    void whoever_cancels_in_the_midst_of_a_query_holds_up_nobody() throws Exception {
        var inside = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        ExecutorService pool = Executors.newFixedThreadPool(1);
        var told = new Told<Integer>(Long.MAX_VALUE);
        Consumer<Integer> staying = sum -> {
            if (sum == 1) {
                inside.countDown();
                awaitQuietly(goOn);
            }
        };
        counted(new AtomicInteger(), staying, Backlog.newest(10), DIRECT).subscribe(told);
        var appending = pool.submit(() -> add(app, 1));
        assertThat(inside.await(120, TimeUnit.SECONDS)).isTrue();

        told.subscription.cancel();
        goOn.countDown();

        appending.get(120, TimeUnit.SECONDS);
        assertThat(told.all).containsExactly(0);
        pool.shutdown();
    }

    @Test
    void a_change_that_comes_while_the_same_answer_is_asked_for_again_is_not_missed() {
        for (var backlog : List.of(Backlog.latest(), Backlog.newest(1), Backlog.failing(9))) {
            var asked = new AtomicInteger();
            var told = new Told<Integer>(Long.MAX_VALUE);
            Consumer<Integer> changing = sum -> {
                if (asked.get() == 2) {
                    addElsewhere(1); // the query has read the view already
                }
            };
            counted(asked, changing, backlog, DIRECT).subscribe(told);
            int now = app.ask(new Sum());

            add(app, 0);

            assertThat(told.all).as("%s", backlog).containsExactly(now, now + 1);
        }
    }

    @Test
    void a_thread_that_appends_is_not_kept_by_the_changes_of_others() {
        for (var backlog : List.of(Backlog.newest(200), Backlog.failing(200))) {
            // given others that change the view during each query
            int before = app.ask(new Sum());
            int end = before + 100;
            var last = new AtomicInteger();
            var asked = new AtomicInteger();
            var tasks = new ConcurrentLinkedQueue<Runnable>();
            var told = new Told<Integer>(0);
            Consumer<Integer> changing = sum -> {
                last.set(sum);
                if (sum > before && sum < end) {
                    addElsewhere(1);
                }
            };
            var live = counted(asked, changing, backlog, tasks::add);
            live.subscribe(told);
            runAll(tasks);

            // when
            add(app, 1);

            // then the executor does the rest, though nobody has asked for an answer
            assertThat(app.ask(new Sum())).isLessThan(end);
            runAll(tasks);
            assertThat(last).hasValue(end);
            assertThat(told.all).isEmpty();
            told.subscription.request(Long.MAX_VALUE);
            runAll(tasks);
            assertThat(told.all).isEqualTo(from(before, end));
            assertThat(live.dropped()).isZero();
            told.subscription.cancel();
        }
    }

    @Test
    void under_the_latest_an_answer_that_was_old_before_it_was_wanted_is_not_counted_as_dropped() {
        // given a query that can be asked also when the projection has stopped, which is told at once
        var number = new AtomicInteger();
        var told = new Told<Integer>(1);
        var live = LiveQuery.of(app.view(LIST), number::incrementAndGet, Backlog.latest(), DIRECT);
        live.subscribe(told);
        add(app, 1);
        add(app, -1);
        assertThat(told.all).containsExactly(1);

        told.subscription.request(1);

        assertThat(told.all).containsExactly(1, number.get());
        assertThat(live.dropped()).isZero();
    }

    @Test
    void a_subscriber_has_one_task_at_a_time_and_none_when_it_has_cancelled() {
        for (var backlog : List.of(Backlog.latest(), Backlog.newest(10), Backlog.failing(10))) {
            var tasks = new ArrayDeque<Runnable>();
            var told = new Told<Integer>(0);
            app.live(new Sum(), backlog, tasks::add).subscribe(told);
            int now = app.ask(new Sum());
            add(app, 1);
            assertThat(tasks).hasSize(1);
            runAll(tasks);

            for (int i = 0; i < 3; i++) {
                told.subscription.request(1);
                add(app, 1);
            }
            assertThat(tasks).hasSize(1);
            runAll(tasks);
            assertThat(told.all)
                    .isEqualTo(backlog instanceof Backlog.Latest ? List.of(now + 4) : List.of(now, now + 1, now + 2));

            told.subscription.cancel();
            told.subscription.request(1);
            add(app, 1);
            assertThat(tasks).isEmpty();
        }
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            assertThat(latch.await(120, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    @Test
    void an_answer_that_equals_the_last_one_given_is_left_out_when_those_between_were_dropped() {
        var told = new Told<Integer>(1);
        var live = app.live(new Sum(), Backlog.newest(1), DIRECT);
        live.subscribe(told);
        add(app, 1);
        add(app, -1);
        assertThat(live.dropped()).isEqualTo(1);

        told.subscription.request(1);
        assertThat(told.all).containsExactly(0);
        add(app, 5);
        add(app, 1);

        assertThat(told.all).as("one was asked for, and one was given").containsExactly(0, 5);
    }

    @Test
    void much_to_deliver_lets_other_tasks_of_the_executor_come_in_between() {
        var queue = new ArrayDeque<Runnable>();
        var told = new Told<Integer>(0);
        app.live(new Sum(), Backlog.failing(1_000), queue::add).subscribe(told);
        addOnes(app, 300);
        while (!queue.isEmpty()) {
            queue.remove().run();
        }

        told.subscription.request(Long.MAX_VALUE);
        int tasks = 0;
        while (!queue.isEmpty()) {
            queue.remove().run();
            tasks++;
        }

        assertThat(told.all).isEqualTo(from(0, 300));
        assertThat(tasks).isEqualTo(5);
    }

    @Test
    void an_executor_that_runs_at_once_delivers_much_without_a_deep_stack() {
        var depths = new ArrayList<Long>();
        var told = new Told<Integer>(
                0, answer -> depths.add(StackWalker.getInstance().walk(frames -> frames.count())));
        app.live(new Sum(), Backlog.failing(5_000), DIRECT).subscribe(told);
        addOnes(app, 4_000);

        told.subscription.request(Long.MAX_VALUE);

        assertThat(told.all).isEqualTo(from(0, 4_000));
        assertThat(depths.stream().distinct().toList()).hasSizeLessThanOrEqualTo(2);
    }

    // ---- the subscriber's side

    @Test
    void a_subscriber_that_cancels_from_within_gets_nothing_more_and_nothing_is_asked_for_it() {
        var asked = new AtomicInteger();
        var told = new Told<Integer>(Long.MAX_VALUE) {
            @Override
            public void onNext(Integer answer) {
                super.onNext(answer);
                if (answer == 2) {
                    subscription.cancel();
                }
            }
        };
        LiveQuery.of(
                        app.view(SUM),
                        () -> {
                            asked.incrementAndGet();
                            return app.ask(new Sum());
                        },
                        Backlog.newest(10),
                        DIRECT)
                .subscribe(told);
        addOnes(app, 5);
        told.subscription.request(1);
        told.subscription.cancel();
        app.close();

        assertThat(told.all).containsExactly(0, 1, 2);
        assertThat(asked).hasValue(3);
    }

    @Test
    void a_subscriber_that_cancels_at_once_gets_nothing() {
        var told = new Told<Integer>(0) {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                subscription.cancel();
                subscription.request(1);
            }
        };
        app.live(new Sum(), Backlog.latest(), DIRECT).subscribe(told);
        add(app, 1);
        assertThat(told.all).isEmpty();
    }

    @Test
    void whoever_cancels_while_the_query_is_asked_is_not_asked_for_again_though_the_view_has_changed() {
        var asked = new AtomicInteger();
        var told = new Told<Integer>(0);
        Consumer<Integer> cancelling = sum -> {
            if (sum == 1) {
                addElsewhere(1);
                told.subscription.cancel();
            }
        };
        counted(asked, cancelling, Backlog.newest(5), DIRECT).subscribe(told);

        add(app, 1);

        assertThat(asked).hasValue(2);
        assertThat(told.all).isEmpty();
    }

    @Test
    void whoever_has_cancelled_is_not_completed_when_the_engine_was_closed_before() {
        var asked = new AtomicInteger();
        var told = new Told<Integer>(1);
        Consumer<Integer> closing = sum -> {
            if (sum == 1) {
                app.projections().close();
                told.subscription.cancel();
            }
        };
        counted(asked, closing, Backlog.latest(), DIRECT).subscribe(told);
        add(app, 1);

        told.subscription.request(1);

        assertThat(asked).hasValue(2);
        assertThat(told.all).containsExactly(0);
    }

    @Test
    void a_request_of_none_fails_the_subscriber_that_made_it() {
        for (long wrong : List.of(0L, -1L, Long.MIN_VALUE)) {
            var told = new Told<Integer>(0);
            var other = new Told<Integer>(Long.MAX_VALUE);
            var live = app.live(new Sum(), Backlog.failing(5), DIRECT);
            live.subscribe(told);
            live.subscribe(other);

            told.subscription.request(wrong);
            told.subscription.request(1);

            assertThat(told.all)
                    .singleElement()
                    .satisfies(thrown -> assertThat((Throwable) thrown)
                            .isInstanceOf(IllegalArgumentException.class)
                            .hasMessageContaining("" + wrong));
            assertThat(other.all).hasSize(1);
        }
    }

    @Test
    void requests_add_up_to_no_end_and_not_beyond() {
        var told = new Told<Integer>(Long.MAX_VALUE, answer -> {});
        app.live(new Sum(), Backlog.failing(5), DIRECT).subscribe(told);
        told.subscription.request(Long.MAX_VALUE);
        told.subscription.request(1);
        addOnes(app, 20);
        assertThat(told.all).isEqualTo(from(0, 20));
    }

    @Test
    void what_a_subscriber_throws_ends_its_subscription_alone() {
        var uncaught = new ArrayList<Throwable>();
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        thread.setUncaughtExceptionHandler((on, thrown) -> uncaught.add(thrown));
        try {
            var broken = new Told<Integer>(Long.MAX_VALUE, answer -> {
                throw new IllegalStateException("subscriber");
            });
            var other = new Told<Integer>(Long.MAX_VALUE);
            var live = app.live(new Sum(), Backlog.newest(5), DIRECT);
            live.subscribe(broken);
            live.subscribe(other);
            add(app, 1);

            assertThat(broken.all).containsExactly(0);
            assertThat(other.all).containsExactly(0, 1);
            assertThat(uncaught)
                    .singleElement()
                    .satisfies(thrown -> assertThat(thrown).hasMessage("subscriber"));
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
    }

    @Test
    void a_subscriber_that_throws_when_it_is_told_why_and_a_handler_that_throws_too_reach_nobody() {
        var why = new RejectedExecutionException("full");
        var subscribers = new IllegalStateException("subscriber");
        for (var thrown : List.of(subscribers, why)) {
            var handled = new ArrayList<Throwable>();
            var thread = Thread.currentThread();
            var before = thread.getUncaughtExceptionHandler();
            thread.setUncaughtExceptionHandler((on, uncaught) -> {
                handled.add(uncaught);
                throw new IllegalArgumentException("handler");
            });
            try {
                var told = new Told<Integer>(Long.MAX_VALUE) {
                    @Override
                    public void onError(Throwable failure) {
                        super.onError(failure);
                        throw thrown;
                    }
                };
                app.live(new Sum(), Backlog.latest(), task -> {
                            throw why;
                        })
                        .subscribe(told);

                assertThat(told.all).containsExactly(why);
                assertThat(handled).containsExactly(thrown);
            } finally {
                thread.setUncaughtExceptionHandler(before);
            }
        }
        assertThat(subscribers).hasSuppressedException(why);
        assertThat(why).hasNoSuppressedExceptions();
    }

    @Test
    void a_handler_of_uncaught_exceptions_that_throws_takes_no_thread_from_the_executor() {
        var tasks = new ArrayDeque<Runnable>();
        var handled = new ArrayList<Throwable>();
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        thread.setUncaughtExceptionHandler((on, uncaught) -> {
            handled.add(uncaught);
            throw new IllegalArgumentException("handler");
        });
        try {
            var subscribers = new IllegalStateException("subscriber");
            var told = new Told<Integer>(Long.MAX_VALUE, answer -> {
                throw subscribers;
            });
            app.live(new Sum(), Backlog.latest(), tasks::add).subscribe(told);

            assertThatCode(() -> tasks.remove().run()).doesNotThrowAnyException();

            assertThat(told.all).containsExactly(0);
            assertThat(handled).containsExactly(subscribers);
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
    }

    @Test
    void a_subscriber_may_append_what_it_then_hears_of() {
        var told = new Told<Integer>(Long.MAX_VALUE, answer -> {
            if (answer < 5) {
                add(app, 1);
            }
        });
        app.live(new Sum(), Backlog.failing(5), DIRECT).subscribe(told);
        assertThat(told.all).isEqualTo(from(0, 5));
        assertThat(app.store().head()).isEqualTo(Position.of(5));
    }

    /** When a subscriber cancels. */
    private enum Cancelling {
        WHEN_TOLD_OF_THE_SUBSCRIPTION,
        WHILE_THE_QUERY_IS_ASKED,
        LATER
    }

    @ParameterizedTest
    @EnumSource
    void after_cancel_neither_the_subscriber_nor_its_answers_are_held(Cancelling when) throws Exception {
        var kept = new ArrayList<Flow.Subscription>();
        var seen = new ArrayList<WeakReference<?>>();
        subscribeAndCancel(when, kept, seen);

        awaitCollected(seen);

        // and the view holds nothing of the subscription either
        var subscription = new WeakReference<>(kept.remove(0));
        awaitCollected(List.of(subscription));
        assertThat(app.view(SUM).status().name()).isEqualTo("sum");
    }

    private void subscribeAndCancel(Cancelling when, List<Flow.Subscription> kept, List<WeakReference<?>> seen) {
        var told = new Told<Object>(0) {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                super.onSubscribe(subscription);
                kept.add(subscription);
                if (when == Cancelling.WHEN_TOLD_OF_THE_SUBSCRIPTION) {
                    subscription.cancel();
                }
            }
        };
        LiveQuery.of(
                        app.view(SUM),
                        () -> {
                            var answer = new Object();
                            seen.add(new WeakReference<>(answer));
                            if (when == Cancelling.WHILE_THE_QUERY_IS_ASKED && seen.size() == 2) {
                                kept.get(0).cancel();
                            }
                            return answer;
                        },
                        Backlog.newest(10),
                        DIRECT)
                .subscribe(told);
        addOnes(app, 3);
        if (when == Cancelling.LATER) {
            told.subscription.cancel();
        }
        int asked = switch (when) {
            case WHEN_TOLD_OF_THE_SUBSCRIPTION -> 1;
            case WHILE_THE_QUERY_IS_ASKED -> 2;
            case LATER -> 4;
        };
        assertThat(seen).hasSize(asked);
        seen.add(new WeakReference<>(told));
    }

    private static void awaitCollected(List<? extends WeakReference<?>> references) throws InterruptedException {
        for (int i = 0; i < 50 && references.stream().anyMatch(one -> !one.refersTo(null)); i++) {
            System.gc();
            TimeUnit.MILLISECONDS.sleep(i); // the collector gives no signal
        }
        assertThat(references).allSatisfy(one -> assertThat(one.refersTo(null)).isTrue());
    }

    // ---- the end

    @Test
    void when_the_engine_is_closed_what_waits_is_given_and_the_subscriber_is_completed() {
        var slow = new Told<Integer>(0);
        var latest = new Told<Integer>(1);
        app.live(new Sum(), Backlog.failing(5), DIRECT).subscribe(slow);
        app.live(new Sum(), Backlog.latest(), DIRECT).subscribe(latest);
        addOnes(app, 2);
        app.close();
        assertThat(latest.all).containsExactly(0, "complete");
        assertThat(slow.all).isEmpty();

        slow.subscription.request(2);
        assertThat(slow.all).containsExactly(0, 1);
        slow.subscription.request(1);
        assertThat(slow.all).containsExactly(0, 1, 2, "complete");

        var late = new Told<Integer>(1);
        app.live(new Sum(), Backlog.latest(), DIRECT).subscribe(late);
        assertThat(late.all).containsExactly("complete");
    }

    @Test
    void what_a_query_throws_when_its_engine_is_about_to_be_closed_is_no_failure() {
        // given a query that needs something that is closed with the engine, and an event that comes at that moment
        var open = new AtomicBoolean(true);
        var tasks = new ArrayDeque<Runnable>();
        var told = new Told<Integer>(Long.MAX_VALUE);
        Consumer<Integer> needing = sum -> {
            if (!open.get()) {
                throw new IllegalStateException("closed before");
            }
        };
        counted(new AtomicInteger(), needing, Backlog.newest(5), tasks::add).subscribe(told);
        app.view(SUM).watch(state -> {
            if (state == ProjectionStatus.State.CLOSED && open.getAndSet(false)) {
                add(app, 1);
            }
        });

        // when
        app.close();
        runAll(tasks);

        // then
        assertThat(told.all).containsExactly(0, "complete");
    }

    @Test
    void what_a_query_throws_in_the_midst_of_closing_is_no_failure_of_whoever_subscribes_just_then() {
        // given somebody who subscribes after all others were told, and whose query comes when the view is closed
        var inside = new CountDownLatch(1);
        var closed = new CountDownLatch(1);
        var told = new Told<Integer>(Long.MAX_VALUE);
        Supplier<Integer> late = () -> {
            inside.countDown();
            awaitQuietly(closed);
            return app.ask(new Sum());
        };
        var live = LiveQuery.of(app.view(SUM), late, Backlog.newest(1), DIRECT);
        var subscribing = new Thread(() -> live.subscribe(told));
        var first = new AtomicBoolean(true);
        app.view(SUM).watch(state -> {
            if (state == ProjectionStatus.State.CLOSED && first.getAndSet(false)) {
                subscribing.start();
                awaitQuietly(inside);
            }
        });
        // and a rebuild, which closing gives up before it ends the projection
        var twice = Projection.of("sum", 2, Fold.from(0).on(Added.class, (sum, e) -> sum + 2 * e.number()));
        app.projections().rebuild(SUM, twice, task -> {}, progress -> {
            if (progress.state() == Rebuild.State.CANCELLED) {
                closed.countDown();
                awaitQuietly(told.ended);
            }
        });

        // when
        app.close();

        // then
        assertThat(told.all).containsExactly("complete");
    }

    @Test
    void when_the_projection_stops_what_waits_is_given_and_the_subscriber_fails() {
        for (var backlog : List.of(Backlog.latest(), Backlog.failing(5))) {
            try (var app = app(DIRECT, false)) {
                var told = new Told<Integer>(Long.MAX_VALUE);
                var live = app.live(new Size(), backlog, DIRECT);
                live.subscribe(told);
                add(app, 1);
                add(app, -1);

                assertThat(told.all.subList(0, 2)).containsExactly(0, 1);
                assertThat(told.all.get(2)).isInstanceOf(ProjectionStoppedException.class);
                assertThat(told.all).hasSize(3);
                var late = new Told<Integer>(1);
                live.subscribe(late);
                assertThat(late.all).singleElement().isInstanceOf(ProjectionStoppedException.class);
            }
        }
    }

    @Test
    void what_the_query_throws_or_a_null_fails_the_subscriber() {
        var broken = new IllegalStateException("query");
        var told = new Told<Integer>(1);
        LiveQuery.<Integer>of(
                        app.view(SUM),
                        () -> {
                            throw broken;
                        },
                        Backlog.latest(),
                        DIRECT)
                .subscribe(told);
        assertThat(told.all).containsExactly(broken);

        var nothing = new Told<Integer>(1);
        LiveQuery.of(app.view(SUM), LiveQueryTest::nothing, Backlog.newest(1), DIRECT)
                .subscribe(nothing);
        assertThat(nothing.all).singleElement().isInstanceOf(NullPointerException.class);
        add(app, 1);
        assertThat(app.ask(new Sum())).isEqualTo(1);
    }

    @Test
    void what_the_query_throws_on_the_thread_that_appends_reaches_the_subscriber_on_another() throws Exception {
        var broken = new IllegalStateException("query");
        ExecutorService pool = Executors.newFixedThreadPool(1);
        var told = new Told<Integer>(Long.MAX_VALUE);
        Consumer<Integer> failing = sum -> {
            if (sum == 1) {
                throw broken;
            }
        };
        counted(new AtomicInteger(), failing, Backlog.newest(5), pool).subscribe(told);

        add(app, 1);

        assertThat(told.ended.await(120, TimeUnit.SECONDS)).isTrue();
        assertThat(told.all).containsExactly(0, broken);
        pool.shutdown();
    }

    @Test
    void an_interrupt_that_the_query_takes_without_saying_so_is_given_back_to_the_thread_that_appends() {
        var interrupt = new InterruptedException("no lock");
        var tasks = new ArrayDeque<Runnable>();
        var told = new Told<Integer>(Long.MAX_VALUE);
        Consumer<Integer> failing = sum -> {
            if (sum == 1) {
                sneak(interrupt); // in a language without checked exceptions
            }
        };
        counted(new AtomicInteger(), failing, Backlog.newest(5), tasks::add).subscribe(told);

        add(app, 1);

        assertThat(Thread.interrupted()).isTrue();
        runAll(tasks);
        assertThat(told.all).containsExactly(0, interrupt);
    }

    @Test
    void an_executor_that_is_interrupted_in_taking_a_task_leaves_the_thread_that_asked_it_interrupted() {
        var interrupt = new InterruptedException("no room");
        var told = new Told<Integer>(Long.MAX_VALUE);

        counted(new AtomicInteger(), sum -> {}, Backlog.newest(5), task -> sneak(interrupt))
                .subscribe(told);

        assertThat(Thread.interrupted()).isTrue();
        assertThat(told.all).containsExactly(interrupt);
    }

    @SuppressWarnings("unchecked") // what must not be
    private static <X extends Throwable> void sneak(Throwable thrown) throws X {
        throw (X) thrown;
    }

    @Test
    void an_answer_that_cannot_be_compared_fails_the_subscriber_wherever_it_is() {
        for (int comparison = 1; comparison <= 4; comparison++) {
            var left = new AtomicInteger(comparison);
            var broken = new IllegalStateException("incomparable");
            var told = new Told<Object>(Long.MAX_VALUE);
            try (var app = app(DIRECT, false)) {
                LiveQuery.<Object>of(
                                app.view(SUM),
                                () -> new Object() {
                                    @Override
                                    public boolean equals(Object other) {
                                        if (left.decrementAndGet() == 0) {
                                            throw broken;
                                        }
                                        return false;
                                    }

                                    @Override
                                    public int hashCode() {
                                        return 0;
                                    }
                                },
                                Backlog.newest(2),
                                DIRECT)
                        .subscribe(told);
                add(app, 1);
            }

            assertThat(told.ended.getCount()).isZero();
            assertThat(told.all).hasSize((comparison + 1) / 2).last().isSameAs(broken);
        }
    }

    @Test
    void an_executor_that_refuses_fails_the_subscriber() {
        var full = new RejectedExecutionException("full");
        var open = new AtomicInteger(1);
        Executor refusing = task -> {
            if (open.getAndDecrement() <= 0) {
                throw full;
            }
            task.run();
        };
        var told = new Told<Integer>(Long.MAX_VALUE);
        var live = app.live(new Sum(), Backlog.latest(), refusing);
        live.subscribe(told);
        addOnes(app, 3);
        assertThat(told.all).containsExactly(0, full);

        var late = new Told<Integer>(1) {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                all.add("subscribed");
                super.onSubscribe(subscription);
            }
        };
        live.subscribe(late);
        assertThat(late.all).containsExactly("subscribed", full);
        assertThat(app.store().head()).isEqualTo(Position.of(3));
    }

    @Test
    void an_executor_that_has_begun_a_task_and_then_throws_does_not_have_two_threads_call_the_subscriber()
            throws Exception {
        var full = new RejectedExecutionException("full");
        var inNext = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        var workers = new ArrayList<Thread>();
        Executor late = task -> {
            var worker = new Thread(task);
            workers.add(worker);
            worker.start();
            await(inNext);
            throw full;
        };
        var told = new Told<Integer>(Long.MAX_VALUE, answer -> {
            inNext.countDown();
            await(goOn);
        });
        var uncaught = new ArrayList<Throwable>();
        var subscribing =
                new Thread(() -> app.live(new Sum(), Backlog.latest(), late).subscribe(told));
        subscribing.setUncaughtExceptionHandler((on, thrown) -> uncaught.add(thrown));
        subscribing.start();
        subscribing.join();
        assertThat(told.all).containsExactly(0);
        assertThat(uncaught).containsExactly(full);

        goOn.countDown();
        workers.get(0).join();
        assertThat(told.all).containsExactly(0);
        told.subscription.cancel();
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(60, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException stop) {
            throw new IllegalStateException(stop);
        }
    }

    @SuppressWarnings("NullAway") // what must not be
    private static Integer nothing() {
        return null;
    }
}
