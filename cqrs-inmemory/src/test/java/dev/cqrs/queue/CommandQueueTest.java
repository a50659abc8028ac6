package dev.cqrs.queue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import dev.cqrs.message.WiringException;
import dev.cqrs.queue.CommandQueue.WhenFull;
import dev.cqrs.testing.SeededScheduler;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(300)
class CommandQueueTest {

    private sealed interface OfAccount extends Command<String> {
        String account();
    }

    private record Deposit(String account, int number) implements OfAccount {}

    private record Withdraw(String account, int number) implements OfAccount {}

    /** Has no key. */
    private record Ping(int number) implements Command<Integer> {}

    /** Runs what a test gives it, with the key that the test gives it. */
    private record Do(String key, Body body) implements Command<Done> {}

    private interface Body {
        void run() throws Exception;
    }

    private final List<String> done = new CopyOnWriteArrayList<>();
    private final List<QueueFailure> failures = new CopyOnWriteArrayList<>();
    private final List<ExecutorService> executors = new ArrayList<>();

    private final CommandBus bus = InMemoryCommandBus.builder()
            .handle(Deposit.class, c -> note("deposit", c.account(), c.number()))
            .handle(Withdraw.class, c -> note("withdraw", c.account(), c.number()))
            .handle(Ping.class, Ping::number)
            .run(Do.class, c -> c.body().run())
            .build();

    private String note(String what, String account, int number) {
        var text = what + " " + account + " " + number;
        done.add(text);
        return text;
    }

    private ExecutorService threads(int count) {
        var executor = Executors.newFixedThreadPool(count);
        executors.add(executor);
        return executor;
    }

    private CommandQueue.Builder queue(Executor executor) {
        return CommandQueue.to(bus, executor, failures::add)
                .key(OfAccount.class, OfAccount::account)
                .key(Do.class, Do::key);
    }

    @AfterEach
    void end_the_threads() throws InterruptedException {
        for (var executor : executors) {
            executor.shutdown();
            assertThat(executor.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
        }
    }

    private static void await(CountDownLatch latch) throws InterruptedException {
        assertThat(latch.await(120, TimeUnit.SECONDS)).isTrue();
    }

    private static <R> R result(CompletionStage<R> stage) {
        return stage.toCompletableFuture().orTimeout(120, TimeUnit.SECONDS).join();
    }

    private static Throwable failure(CompletionStage<?> stage) {
        var seen = new AtomicReference<Throwable>();
        var told = stage.handle((result, thrown) -> {
            seen.set(thrown);
            return Done.DONE;
        });
        result(told);
        return of(seen);
    }

    private static <T> T of(AtomicReference<T> reference) {
        return Objects.requireNonNull(reference.get());
    }

    /** Waits for a state that the test has brought about by signals before, and that nobody signals. */
    private static void until(java.util.function.BooleanSupplier state) {
        while (!state.getAsBoolean()) {
            Thread.onSpinWait();
        }
    }

    private static void sleepsOr(AtomicReference<Thread> thread, java.util.function.BooleanSupplier other) {
        until(() -> {
            var one = thread.get();
            return (one != null && one.getState() == Thread.State.WAITING) || other.getAsBoolean();
        });
    }

    // ---- results

    @Test
    void the_listener_is_told_of_each_failure_before_the_stage_ends() {
        var metadata = Metadata.withId("7");
        var refused = new IllegalArgumentException("refused");
        var told = new ArrayList<QueueFailure>();
        var executor = new AtomicReference<Executor>(Runnable::run);
        try (var queue = CommandQueue.to(bus, task -> of(executor).execute(task), failure -> {
                    told.add(failure);
                    throw new IllegalStateException("the listener"); // goes to the handler of uncaught exceptions
                })
                .build()) {
            Thread.currentThread().setUncaughtExceptionHandler((thread, thrown) -> {
                throw new IllegalStateException("and the handler too");
            });
            var command = new Do("a", () -> {
                throw refused;
            });
            assertThat(failure(queue.enqueue(command, metadata))).isSameAs(refused);
            assertThat(told).containsExactly(new QueueFailure(command, metadata, refused));

            var rejected = new RejectedExecutionException("full");
            executor.set(task -> {
                throw rejected;
            });
            var ping = new Ping(1);
            assertThat(failure(queue.enqueue(ping, metadata))).isSameAs(rejected);
            assertThat(told).hasSize(2).contains(new QueueFailure(ping, metadata, rejected));
        } finally {
            Thread.currentThread().setUncaughtExceptionHandler(null);
        }
    }

    @Test
    void a_bus_that_answers_null_fails_the_command_by_name() {
        for (boolean context : List.of(false, true)) {
            CommandBus answersNull = new CommandBus() {
                @Override
                public <R> R dispatch(Command<R> command, Metadata metadata) {
                    return none();
                }

                @Override
                public <C extends Command<R>, R> Route<C, R> handlerFor(Class<C> commandType) {
                    throw new UnsupportedOperationException();
                }
            };
            var builder = CommandQueue.to(answersNull, Runnable::run, failures::add);
            try (var queue = (context ? builder.context(() -> task -> task) : builder).build()) {
                assertThat(failure(queue.enqueue(new Ping(1))))
                        .isInstanceOf(NullPointerException.class)
                        .hasMessageContaining("The bus answered a " + Ping.class.getName() + " with null");
            }
        }
    }

    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"}) // what must not be
    private static <R> R none() {
        return null;
    }

    @Test
    void a_command_is_accepted_now_and_its_result_comes_later() throws Exception {
        var go = new CountDownLatch(1);
        try (var queue = queue(threads(1)).build()) {
            var blocked = queue.enqueue(new Do("a", () -> await(go)));
            var deposit = queue.enqueue(new Deposit("a", 1));

            assertThat(deposit.toCompletableFuture()).isNotDone();
            go.countDown();

            assertThat(result(deposit)).isEqualTo("deposit a 1");
            assertThat(result(blocked)).isEqualTo(Done.DONE);
        }
    }

    @Test
    void a_stage_fails_with_exactly_what_the_bus_threw() {
        var refused = new IllegalArgumentException("refused");
        var checked = new java.io.IOException("checked");
        try (var queue = queue(threads(1)).build()) {
            assertThat(failure(queue.enqueue(new Do("a", () -> {
                        throw refused;
                    }))))
                    .isSameAs(refused);
            assertThat(failure(queue.enqueue(new Do("a", () -> {
                        throw checked;
                    }))))
                    .isInstanceOf(HandlerFailedException.class)
                    .hasCause(checked);
            var error = new StackOverflowError();
            assertThat(failure(queue.enqueue(new Do("a", () -> {
                        throw error;
                    }))))
                    .isSameAs(error);
            record Unknown() implements Command<Done> {}
            assertThat(failure(queue.enqueue(new Unknown()))).isInstanceOf(NoHandlerException.class);
            assertThat(queue.status().failed()).isEqualTo(4);
        }
    }

    @Test
    void metadata_travels_with_the_command() {
        var seen = new AtomicReference<Metadata>();
        var bus = InMemoryCommandBus.builder()
                .handle(Ping.class, (c, metadata) -> {
                    seen.set(metadata);
                    return c.number();
                })
                .build();
        var metadata = Metadata.withId("7");
        try (var queue = CommandQueue.to(bus, threads(1), failures::add).build()) {
            assertThat(result(queue.enqueue(new Ping(3), metadata))).isEqualTo(3);
            assertThat(seen.get()).isSameAs(metadata);
        }
    }

    @Test
    void what_depends_on_a_result_may_throw_without_harm_to_the_queue() {
        try (var queue = queue(threads(1)).build()) {
            var go = new CountDownLatch(1);
            queue.enqueue(new Do("a", () -> await(go)));
            var dependent = queue.enqueue(new Deposit("a", 1)).thenAccept(text -> {
                throw new IllegalStateException("dependent");
            });
            var next = queue.enqueue(new Deposit("a", 2));
            go.countDown();

            assertThat(result(next)).isEqualTo("deposit a 2");
            assertThat(failure(dependent)).isInstanceOf(CompletionException.class);
        }
    }

    @Test
    void who_cancels_a_stage_does_not_stop_the_command() throws Exception {
        var go = new CountDownLatch(1);
        try (var queue = queue(threads(1)).build()) {
            queue.enqueue(new Do("a", () -> await(go)));
            var cancelled = queue.enqueue(new Deposit("a", 1));
            cancelled.toCompletableFuture().cancel(true);
            go.countDown();
        }
        assertThat(done).containsExactly("deposit a 1");
    }

    @Test
    void who_ends_a_stage_himself_stops_neither_the_command_nor_the_telling_of_its_failure() {
        var refused = new IllegalArgumentException("refused");
        List<Consumer<CompletableFuture<Done>>> ends = List.of(
                stage -> stage.complete(Done.DONE),
                stage -> stage.completeExceptionally(new IllegalStateException("mine")),
                stage -> stage.obtrudeValue(Done.DONE),
                stage -> stage.cancel(true));
        for (var end : ends) {
            var tasks = new ArrayDeque<Runnable>();
            try (var queue = queue(tasks::add).build()) {
                end.accept(queue.enqueue(new Do("a", () -> {
                            throw refused;
                        }))
                        .toCompletableFuture());
                queue.enqueue(new Deposit("a", 1));
                tasks.remove().run();
                assertThat(queue.status()).isEqualTo(new QueueStatus(2, 0, 0, 1, 0));
            }
        }
        assertThat(failures).hasSize(4).allMatch(failure -> failure.cause() == refused);
        assertThat(done).hasSize(4);
    }

    @Test
    void what_a_handler_has_enqueued_runs_also_if_it_fails_itself() {
        var failed = new IllegalStateException("after all");
        try (var queue = queue(threads(1)).capacity(1).build()) {
            var outer = queue.enqueue(new Do("a", () -> {
                queue.enqueue(new Deposit("a", 1));
                throw failed;
            }));
            assertThat(failure(outer)).isSameAs(failed);
        }
        assertThat(done).containsExactly("deposit a 1");
    }

    @Test
    void what_the_listener_throws_goes_to_the_handler_of_uncaught_exceptions() {
        var mine = new IllegalStateException("the listener");
        var told = new ArrayList<Throwable>();
        Thread.currentThread().setUncaughtExceptionHandler((thread, thrown) -> told.add(thrown));
        try (var queue = CommandQueue.to(bus, Runnable::run, failure -> {
                    throw mine;
                })
                .build()) {
            var refused = new IllegalArgumentException("refused");
            assertThat(failure(queue.enqueue(new Do("a", () -> {
                        throw refused;
                    }))))
                    .isSameAs(refused);
            assertThat(told).containsExactly(mine);
            assertThat(mine).hasSuppressedException(refused);
        } finally {
            Thread.currentThread().setUncaughtExceptionHandler(null);
        }
    }

    @Test
    void a_listener_may_throw_what_it_is_told_of() {
        var refused = new IllegalArgumentException("refused");
        var told = new ArrayList<Throwable>();
        Thread.currentThread().setUncaughtExceptionHandler((thread, thrown) -> told.add(thrown));
        try (var queue = CommandQueue.to(bus, Runnable::run, failure -> {
                    throw refused;
                })
                .build()) {
            assertThat(failure(queue.enqueue(new Do("a", () -> {
                        throw refused;
                    }))))
                    .isSameAs(refused);
            assertThat(told).containsExactly(refused);
            assertThat(refused).hasNoSuppressedExceptions();
        } finally {
            Thread.currentThread().setUncaughtExceptionHandler(null);
        }
    }

    // ---- order

    @Test
    void commands_of_a_key_keep_their_order_across_classes() {
        try (var queue = queue(threads(4)).workers(4).build()) {
            for (int i = 0; i < 1_000; i++) {
                queue.enqueue(i % 3 == 0 ? new Withdraw("a", i) : new Deposit("a", i));
            }
        }
        assertThat(done).hasSize(1_000);
        for (int i = 0; i < 1_000; i++) {
            assertThat(done.get(i)).isEqualTo((i % 3 == 0 ? "withdraw a " : "deposit a ") + i);
        }
    }

    @Test
    void a_slow_key_blocks_no_other() throws Exception {
        var go = new CountDownLatch(1);
        try (var queue = queue(threads(2)).workers(2).build()) {
            queue.enqueue(new Do("slow", () -> await(go)));
            var behind = queue.enqueue(new Deposit("slow", 0));
            for (int i = 0; i < 100; i++) { // whatever the hash codes
                assertThat(result(queue.enqueue(new Deposit("key" + i, i)))).isEqualTo("deposit key" + i + " " + i);
            }
            assertThat(behind.toCompletableFuture()).isNotDone();
            go.countDown();
            result(behind);
        }
    }

    @Test
    void a_key_with_many_commands_starves_no_other() throws Exception {
        var begun = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        try (var queue = queue(threads(1)).workers(1).build()) {
            queue.enqueue(new Do("busy", () -> {
                begun.countDown();
                await(go);
            }));
            await(begun); // so it is a turn of its own
            for (int i = 0; i < 999; i++) {
                queue.enqueue(new Deposit("busy", i));
            }
            var last = queue.enqueue(new Deposit("busy", 999));
            var other = queue.enqueue(new Deposit("other", 0));
            go.countDown();
            result(other);
            result(last); // before it is closed, as who closes would run the other one beside the worker
        }
        assertThat(done.indexOf("deposit other 0")).isBetween(0, Worker.TURN);
        assertThat(done).hasSize(1_001);
    }

    @Test
    void a_key_with_many_commands_lets_in_after_one_turn_what_came_within_it() {
        var tasks = new ArrayDeque<Runnable>();
        try (var queue = queue(tasks::add).workers(1).build()) {
            queue.enqueue(new Do("busy", () -> queue.enqueue(new Deposit("other", 0))));
            for (int i = 0; i < 3 * Worker.TURN; i++) {
                queue.enqueue(new Deposit("busy", i));
            }
            tasks.remove().run();
        }
        assertThat(done.indexOf("deposit other 0")).isLessThan(Worker.TURN);
        assertThat(done).hasSize(3 * Worker.TURN + 1);
    }

    @Test
    void commands_without_a_key_run_in_parallel() {
        var meeting = new CyclicBarrier(2);
        record Meet(CyclicBarrier barrier) implements Command<Integer> {}
        var bus = InMemoryCommandBus.builder()
                .handle(Meet.class, c -> c.barrier().await(120, TimeUnit.SECONDS))
                .build();
        try (var queue =
                CommandQueue.to(bus, threads(2), failures::add).workers(2).build()) {
            var one = queue.enqueue(new Meet(meeting));
            var other = queue.enqueue(new Meet(meeting));
            assertThat(List.of(result(one), result(other))).containsExactlyInAnyOrder(0, 1);
        }
    }

    @Test
    void as_many_commands_run_at_once_as_there_are_workers_and_no_more() throws Exception {
        var arrived = new CountDownLatch(3);
        var go = new CountDownLatch(1);
        try (var queue = queue(threads(8)).workers(3).build()) {
            for (int i = 0; i < 10; i++) {
                queue.enqueue(new Do("key" + i, () -> {
                    arrived.countDown();
                    await(go);
                }));
            }
            await(arrived);
            assertThat(queue.status()).isEqualTo(new QueueStatus(10, 7, 3, 0, 0));
            go.countDown();
        }
    }

    @Test
    void there_may_be_many_more_workers_than_processors() throws Exception {
        int workers = 10 * Runtime.getRuntime().availableProcessors();
        var threads = threads(workers);
        try (var queue = queue(threads)
                .workers(workers)
                .capacity(workers)
                .whenFull(WhenFull.REFUSE)
                .build()) {
            for (int round = 1; round <= 3; round++) {
                var meeting = new CyclicBarrier(workers + 1);
                var go = new CountDownLatch(1);
                var stages = new ArrayList<CompletionStage<Done>>();
                for (int i = 0; i < workers; i++) {
                    stages.add(queue.enqueue(new Do("key" + i, () -> {
                        meeting.await(120, TimeUnit.SECONDS);
                        await(go);
                    })));
                }
                meeting.await(120, TimeUnit.SECONDS);
                int before = (round - 1) * workers;
                assertThat(queue.status()).isEqualTo(new QueueStatus(before + workers, 0, workers, 0, round - 1));
                assertThatThrownBy(() -> queue.enqueue(new Ping(1))).isInstanceOf(QueueFullException.class);
                go.countDown();
                stages.forEach(CommandQueueTest::result);
                assertThat(queue.status()).isEqualTo(new QueueStatus(before + workers, 0, 0, 0, round));
            }
        }
    }

    @Test
    void the_key_of_the_nearest_class_holds() {
        var asked = new ArrayList<String>();
        try (var queue = CommandQueue.to(bus, Runnable::run, failures::add)
                .key(Command.class, c -> {
                    asked.add("any");
                    return "any";
                })
                .key(OfAccount.class, c -> {
                    asked.add("account");
                    return c.account();
                })
                .key(Withdraw.class, c -> {
                    asked.add("withdraw");
                    return c.account();
                })
                .build()) {
            queue.enqueue(new Ping(1));
            queue.enqueue(new Deposit("a", 1));
            queue.enqueue(new Withdraw("a", 1));
        }
        assertThat(asked).containsExactly("any", "account", "withdraw");
    }

    @Test
    void faults_in_keys_are_named() {
        assertThatThrownBy(() -> CommandQueue.to(bus, Runnable::run, failures::add)
                        .key(Ping.class, Ping::number)
                        .key(Ping.class, c -> 1)
                        .build())
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("Ping is given two keys");
        try (var queue = CommandQueue.to(bus, Runnable::run, failures::add)
                .key(Deposit.class, c -> keyOfNone())
                .build()) {
            assertThatThrownBy(() -> queue.enqueue(new Deposit("a", 1)))
                    .isInstanceOf(NullPointerException.class)
                    .hasMessageContaining("Deposit is null");
            assertThat(queue.status().accepted()).isZero();
            assertThat(result(queue.enqueue(new Ping(1)))).isEqualTo(1);
        }
    }

    @SuppressWarnings("NullAway") // what must not be
    private static Object keyOfNone() {
        return null;
    }

    private interface Left extends Command<Integer> {}

    private interface Right extends Command<Integer> {}

    private record LeftAndRight() implements Left, Right {}

    @Test
    void two_keys_that_fit_equally_well_are_refused() {
        try (var queue = CommandQueue.to(bus, Runnable::run, failures::add)
                .key(Left.class, c -> 1)
                .key(Right.class, c -> 2)
                .build()) {
            assertThatThrownBy(() -> queue.enqueue(new LeftAndRight()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("Left and of ")
                    .hasMessageContaining("Right; expected one");
        }
    }

    @Test
    void a_key_that_cannot_be_compared_fails_its_command_and_no_other() throws Exception {
        record Broken(int number) {
            @Override
            public boolean equals(Object other) {
                throw new IllegalStateException("no equals");
            }

            @Override
            public int hashCode() {
                return 1;
            }
        }
        var go = new CountDownLatch(1);
        var first = new Broken(1); // found by identity
        var keys = new ArrayDeque<Object>(List.of(first, new Broken(2), first));
        try (var queue = CommandQueue.to(bus, threads(1), failures::add)
                .key(Do.class, c -> keys.remove())
                .build()) {
            queue.enqueue(new Do("", () -> await(go)));
            var broken = queue.enqueue(new Do("", () -> done.add("ran")));
            var last = queue.enqueue(new Do("", () -> {}));
            go.countDown();
            assertThat(failure(broken))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("no equals");
            assertThat(result(last)).isEqualTo(Done.DONE);
        }
        assertThat(done).isEmpty();
        assertThat(failures).hasSize(1);
    }

    @Test
    void a_key_that_cannot_be_hashed_is_told_to_who_enqueues_and_takes_no_place() {
        record Endless(Object key) {
            @Override
            public int hashCode() {
                return 31 * key.hashCode();
            }
        }
        var itself = new Object[1];
        itself[0] = new Endless(new Object() {
            @Override
            public int hashCode() {
                return itself[0].hashCode(); // a key that holds itself
            }
        });
        var keys = new ArrayDeque<>(List.of(itself[0], "key"));
        try (var queue = CommandQueue.to(bus, threads(1), failures::add)
                .key(Do.class, c -> keys.remove())
                .build()) {
            assertThatThrownBy(() -> queue.enqueue(new Do("", () -> done.add("endless"))))
                    .isInstanceOf(StackOverflowError.class);
            assertThat(queue.status().accepted()).isZero();
            result(queue.enqueue(new Do("", () -> done.add("key"))));
        }
        assertThat(done).containsExactly("key");
        assertThat(failures).isEmpty();
    }

    @Test
    void nothing_is_left_of_keys_that_are_done() {
        var queue = queue(threads(2)).build();
        for (int i = 0; i < 1_000; i++) {
            queue.enqueue(new Deposit("key" + i, i));
        }
        queue.close();
        until(() -> queue.keys() == 0); // the last outcome is told before all workers rest
    }

    @Test
    void while_a_key_is_busy_only_so_many_others_are_remembered() throws Exception {
        var go = new CountDownLatch(1);
        try (var queue = queue(threads(2)).workers(2).build()) {
            queue.enqueue(new Do("busy", () -> await(go)));
            for (int i = 0; i < 10 * Backlog.KEYS; i++) {
                result(queue.enqueue(new Deposit("key" + i, i)));
                assertThat(queue.keys()).isLessThanOrEqualTo(Backlog.KEYS);
            }
            var behind = queue.enqueue(new Do("busy", () -> {})); // that key was never forgotten
            result(queue.enqueue(new Do("other", () -> {})));
            boolean early = behind.toCompletableFuture().isDone();
            go.countDown();
            assertThat(early).isFalse();
        }
        assertThat(done).hasSize(10 * Backlog.KEYS);
    }

    @Test
    void after_many_keys_were_in_use_they_are_forgotten_although_one_stays_busy() throws Exception {
        var go = new CountDownLatch(1);
        var begun = new CountDownLatch(2);
        var many = new CountDownLatch(1);
        try (var queue = queue(threads(2)).workers(2).build()) {
            queue.enqueue(new Do("busy", () -> {
                begun.countDown();
                await(go);
            }));
            queue.enqueue(new Do("first", () -> {
                begun.countDown();
                await(many);
            }));
            await(begun);
            var stages = new ArrayList<CompletionStage<Done>>();
            for (int i = 0; i < 5 * Backlog.KEYS; i++) {
                stages.add(queue.enqueue(new Do("at once" + i, () -> {})));
            }
            many.countDown();
            stages.forEach(CommandQueueTest::result);
            int atOnce = queue.keys();
            for (int i = 0; i < 12 * Backlog.KEYS; i++) {
                result(queue.enqueue(new Do("one by one" + i % 10, () -> {})));
            }
            int keys = queue.keys();
            go.countDown();
            assertThat(atOnce).isGreaterThan(5 * Backlog.KEYS);
            assertThat(keys).isLessThanOrEqualTo(Backlog.KEYS);
        }
    }

    // ---- the bound

    @Test
    void at_the_bound_a_command_is_refused_by_name_and_a_result_makes_room() throws Exception {
        var go = new CountDownLatch(1);
        try (var queue = queue(threads(1)).capacity(2).whenFull(WhenFull.REFUSE).build()) {
            var first = queue.enqueue(new Do("a", () -> await(go)));
            queue.enqueue(new Deposit("b", 1));

            assertThatThrownBy(() -> queue.enqueue(new Deposit("c", 1)))
                    .isInstanceOfSatisfying(QueueFullException.class, full -> {
                        assertThat(full.capacity()).isEqualTo(2);
                        assertThat(full.commandType()).isEqualTo(Deposit.class);
                        assertThat(full.getStackTrace()).isEmpty();
                    })
                    .hasMessageContaining("Deposit: it holds the 2 commands it may");
            assertThat(queue.status().refused()).isEqualTo(1);

            go.countDown();
            result(first);
            for (int i = 0; i < 1_000; i++) { // whoever sees a result finds its place free
                result(queue.enqueue(new Deposit("d", i)));
            }
        }
        assertThat(done).hasSize(1_001);
    }

    @Test
    void unless_it_is_said_otherwise_ten_thousand_commands_may_wait() {
        var queue = queue(task -> {}).whenFull(WhenFull.REFUSE).build(); // an executor that drops it
        for (int i = 0; i < 10_000; i++) {
            queue.enqueue(new Ping(i));
        }
        assertThatThrownBy(() -> queue.enqueue(new Ping(10_000)))
                .isInstanceOfSatisfying(
                        QueueFullException.class,
                        full -> assertThat(full.capacity()).isEqualTo(10_000))
                .hasMessage("The queue is full and refused a " + Ping.class.getName()
                        + ": it holds the 10000 commands it may. Try again later, send less, or allow more.");
        assertThat(queue.status()).isEqualTo(new QueueStatus(10_000, 10_000, 0, 0, 1));
        queue.close();
        assertThat(queue.status()).isEqualTo(new QueueStatus(10_000, 0, 0, 0, 1));
    }

    @Test
    void at_the_bound_a_caller_waits_for_room() throws Exception {
        var go = new CountDownLatch(1);
        var callers = threads(5);
        try (var queue = queue(threads(1)).capacity(1).build()) {
            queue.enqueue(new Do("a", () -> await(go)));
            var waiting = new ArrayList<CompletableFuture<Void>>();
            var entered = new CountDownLatch(5);
            for (int i = 0; i < 5; i++) {
                int number = i;
                waiting.add(CompletableFuture.runAsync(
                        () -> {
                            entered.countDown();
                            for (int n = 0; n < 100; n++) {
                                queue.enqueue(new Deposit("key" + number, n));
                            }
                        },
                        callers));
            }
            await(entered);
            assertThat(waiting).noneMatch(CompletableFuture::isDone);
            assertThat(queue.status().accepted()).isEqualTo(1);
            go.countDown();
            waiting.forEach(CommandQueueTest::result);
        }
        assertThat(done).hasSize(500);
    }

    @Test
    void who_waits_for_room_gets_it_although_others_never_stop_asking() {
        var through = new AtomicBoolean();
        var others = new ArrayList<CompletableFuture<?>>();
        try (var queue = queue(threads(1)).workers(1).capacity(1).build()) {
            var callers = threads(4);
            for (int i = 0; i < 3; i++) {
                int number = i;
                others.add(CompletableFuture.runAsync(
                        () -> {
                            while (!through.get()) {
                                queue.enqueue(new Ping(number));
                            }
                        },
                        callers));
            }
            var one = CompletableFuture.runAsync(
                    () -> {
                        for (int n = 0; n < 20; n++) {
                            queue.enqueue(new Deposit("one", n));
                        }
                    },
                    callers);
            result(one);
            through.set(true);
            others.forEach(CommandQueueTest::result);
        }
        assertThat(done).hasSize(20);
    }

    @Test
    void an_interrupt_ends_the_waiting_for_room_and_the_flag_is_set() throws Exception {
        var go = new CountDownLatch(1);
        try (var queue = queue(threads(1)).capacity(1).build()) {
            queue.enqueue(new Do("a", () -> await(go)));
            Thread.currentThread().interrupt();
            var thrown = catchThrowable(() -> queue.enqueue(new Deposit("b", 1)));
            assertThat(Thread.interrupted()).isTrue();
            assertThat(thrown).isInstanceOf(QueueFullException.class).hasMessageContaining("interrupted");
            go.countDown();
        }
        assertThat(done).isEmpty();
    }

    @Test
    void a_handler_never_waits_for_its_own_queue_which_lends_it_one_place() {
        for (var whenFull : WhenFull.values()) {
            var outcomes = new CopyOnWriteArrayList<Object>();
            try (var queue =
                    queue(threads(1)).workers(1).capacity(1).whenFull(whenFull).build()) {
                result(queue.enqueue(new Do("a", () -> {
                    outcomes.add(queue.enqueue(new Do("a", () -> outcomes.add("second"))));
                    outcomes.add(catchThrowable(() -> queue.enqueue(new Do("a", () -> {}))));
                })));
            }
            assertThat(outcomes).hasSize(3);
            assertThat(outcomes.get(1)).isInstanceOf(QueueFullException.class);
            assertThat(outcomes.get(2)).isEqualTo("second");
        }
    }

    @Test
    void what_depends_on_a_result_is_lent_the_place_if_the_handler_was_not() throws Exception {
        var go = new CountDownLatch(1);
        try (var queue = queue(threads(1)).workers(1).capacity(2).build()) {
            var first = queue.enqueue(new Do("a", () -> await(go)));
            var tried = first.thenApply(d -> {
                queue.enqueue(
                        new Deposit("b", 1)); // the place of the first one, free by now; anybody might have taken it
                queue.enqueue(new Deposit("b", 2));
                return catchThrowable(() -> queue.enqueue(new Deposit("b", 3)));
            });
            queue.enqueue(new Deposit("a", 0));
            go.countDown();
            assertThat(result(tried))
                    .isInstanceOf(QueueFullException.class)
                    .hasMessageContaining("what depends on its result");
        }
        assertThat(done).containsExactlyInAnyOrder("deposit a 0", "deposit b 1", "deposit b 2");
    }

    @Test
    void an_interrupt_does_not_keep_out_who_need_not_wait() {
        var tasks = new ArrayDeque<Runnable>();
        try (var queue = queue(tasks::add).capacity(1).build()) {
            Thread.currentThread().interrupt();
            var stage = queue.enqueue(new Deposit("a", 1));
            assertThat(Thread.interrupted()).isTrue();
            tasks.remove().run();
            assertThat(stage.toCompletableFuture()).isCompletedWithValue("deposit a 1");
        }
    }

    @Test
    void what_an_executor_refused_leaves_its_place() {
        var full = new RejectedExecutionException("full");
        try (var queue = queue(task -> {
                    throw full;
                })
                .capacity(1)
                .build()) {
            for (int i = 0; i < 10; i++) {
                assertThat(failure(queue.enqueue(new Deposit("a", i)))).isSameAs(full);
            }
            assertThat(queue.status()).isEqualTo(new QueueStatus(10, 0, 0, 10, 0));
        }
        assertThat(done).isEmpty();
    }

    // ---- executors

    @Test
    void a_direct_executor_runs_within_enqueue_and_does_not_recurse() {
        var queue = new AtomicReference<CommandQueue>();
        var left = new AtomicInteger(100_000);
        var again = new AtomicReference<Body>();
        again.set(() -> {
            if (left.decrementAndGet() > 0) {
                of(queue).enqueue(new Do("key" + left.get() % 3, of(again)));
            }
        });
        try (var direct = queue(Runnable::run).workers(3).build()) {
            queue.set(direct);
            assertThat(direct.enqueue(new Do("a", of(again))).toCompletableFuture())
                    .isDone();
            assertThat(left).hasValue(0);
            assertThat(direct.status().running()).isZero();
        }
    }

    @Test
    void an_executor_that_refuses_is_the_outcome_of_what_nobody_else_runs() {
        var refusing = new AtomicReference<Throwable>(new RejectedExecutionException("full"));
        try (var queue = queue(task -> {
                    var thrown = refusing.get();
                    if (thrown instanceof Error error) {
                        throw error;
                    }
                    if (thrown instanceof RuntimeException exception) {
                        throw exception;
                    }
                    task.run();
                })
                .build()) {
            assertThat(failure(queue.enqueue(new Deposit("a", 1)))).isSameAs(refusing.get());
            refusing.set(new OutOfMemoryError("no thread"));
            assertThat(failure(queue.enqueue(new Ping(1)))).isSameAs(refusing.get());
            refusing.set(null);
            assertThat(result(queue.enqueue(new Deposit("a", 2)))).isEqualTo("deposit a 2");
            assertThat(queue.status()).isEqualTo(new QueueStatus(3, 0, 0, 2, 0));
        }
        assertThat(done).containsExactly("deposit a 2");
    }

    @Test
    void who_is_told_that_the_executor_refused_may_close_the_queue() {
        var queue = new AtomicReference<CommandQueue>();
        var own = CommandQueue.to(
                        bus,
                        task -> {
                            throw new RejectedExecutionException("full");
                        },
                        failure -> of(queue).close())
                .build();
        queue.set(own);
        var refused = own.enqueue(new Ping(0));
        assertThat(failure(refused)).isInstanceOf(RejectedExecutionException.class);
        assertThatThrownBy(() -> own.enqueue(new Ping(1)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
    }

    @Test
    void an_executor_that_throws_although_it_has_the_task_runs_no_worker_twice() throws Exception {
        var tasks = new CopyOnWriteArrayList<Runnable>();
        var throwing = new AtomicBoolean(true);
        var go = new CountDownLatch(1);
        var begun = new CountDownLatch(1);
        try (var queue = queue(task -> {
                    tasks.add(task);
                    if (throwing.get()) {
                        throw new OutOfMemoryError("no thread");
                    }
                })
                .workers(1)
                .build()) {
            assertThat(failure(queue.enqueue(new Deposit("a", 1)))).isInstanceOf(OutOfMemoryError.class);
            throwing.set(false);
            queue.enqueue(new Do("a", () -> {
                begun.countDown();
                await(go);
            }));
            assertThat(tasks).hasSize(2);
            var early = CompletableFuture.runAsync(tasks.get(0), threads(1)); // does what the second one is for
            await(begun);
            result(CompletableFuture.runAsync(tasks.get(1), threads(1))); // finds that
            var other = queue.enqueue(new Deposit("b", 1));
            assertThat(tasks).hasSize(2); // the only worker is busy
            go.countDown();
            result(early);
            assertThat(result(other)).isEqualTo("deposit b 1");
        }
    }

    @Test
    void an_executor_that_throws_after_it_has_run_the_task_changes_no_outcome() {
        var late = new IllegalStateException("late");
        var told = new ArrayList<Throwable>();
        Thread.currentThread().setUncaughtExceptionHandler((thread, thrown) -> told.add(thrown));
        try (var queue = queue(task -> {
                    task.run();
                    throw late;
                })
                .workers(1)
                .build()) {
            for (int i = 1; i <= 3; i++) {
                assertThat(queue.enqueue(new Deposit("a", i)).toCompletableFuture())
                        .isCompletedWithValue("deposit a " + i);
                assertThat(told).hasSize(i).containsOnly(late);
            }
            assertThat(queue.status()).isEqualTo(new QueueStatus(3, 0, 0, 0, 0));
        } finally {
            Thread.currentThread().setUncaughtExceptionHandler(null);
        }
    }

    @Test
    void an_executor_that_throws_at_a_hand_over_although_it_has_the_task_runs_no_worker_twice() {
        var tasks = new ArrayDeque<Runnable>();
        var queue = queue(task -> {
                    tasks.add(task);
                    if (tasks.size() > 1) {
                        throw new OutOfMemoryError("no thread");
                    }
                })
                .workers(1)
                .build();
        for (int i = 0; i < 3 * Worker.COMMANDS_A_TASK; i++) {
            queue.enqueue(new Deposit("a", i));
        }
        var first = tasks.element(); // stays there, so that each hand-over is one too many
        first.run();
        assertThat(done).hasSize(3 * Worker.COMMANDS_A_TASK);
        tasks.forEach(Runnable::run);
        assertThat(queue.status()).isEqualTo(new QueueStatus(done.size(), 0, 0, 0, 0));
        queue.close();
    }

    @Test
    void while_some_are_told_that_the_executor_refused_others_ask_it_themselves() throws Exception {
        for (int workers : List.of(1, 2)) {
            var threads = threads(1);
            var tasks = new AtomicInteger();
            var told = new CountDownLatch(1);
            var go = new CountDownLatch(1);
            try (var queue = CommandQueue.to(
                            bus,
                            task -> {
                                if (tasks.getAndIncrement() == 0) {
                                    throw new RejectedExecutionException("full for a moment");
                                }
                                threads.execute(task);
                            },
                            failure -> {
                                told.countDown();
                                try {
                                    await(go);
                                } catch (InterruptedException unexpected) {
                                    throw new IllegalStateException(unexpected);
                                }
                            })
                    .workers(workers)
                    .build()) {
                var first = CompletableFuture.supplyAsync(() -> failure(queue.enqueue(new Ping(1))), threads(1));
                await(told);
                var second = queue.enqueue(new Ping(2));
                if (workers > 1) {
                    assertThat(result(second)).isEqualTo(2); // although the first one is still being told
                }
                go.countDown();
                assertThat(result(first)).isInstanceOf(RejectedExecutionException.class);
                assertThat(result(second)).isEqualTo(2);
            }
        }
    }

    @Test
    void after_a_turn_of_refusals_the_executor_is_asked_again() {
        var queue = new AtomicReference<CommandQueue>();
        var tasks = new AtomicInteger();
        try (var own = CommandQueue.to(
                        bus,
                        task -> {
                            if (tasks.getAndIncrement() == 0) {
                                throw new RejectedExecutionException("full for a moment");
                            }
                            task.run();
                        },
                        failure -> {
                            failures.add(failure);
                            for (int i = 1; i <= 100 && failures.size() == 1; i++) {
                                of(queue).enqueue(new Deposit("a", i));
                            }
                        })
                .key(OfAccount.class, OfAccount::account)
                .build()) {
            queue.set(own);
            own.enqueue(new Deposit("a", 0));
            assertThat(failures).hasSize(Worker.TURN);
            assertThat(done).hasSize(101 - Worker.TURN);
            assertThat(tasks).hasValue(2);
        }
    }

    @Test
    void as_long_as_the_executor_refuses_it_is_asked_once_more_for_each_key_that_is_ready() {
        var queue = new AtomicReference<CommandQueue>();
        var tasks = new AtomicInteger();
        try (var own = CommandQueue.to(
                        bus,
                        task -> {
                            throw new RejectedExecutionException("full " + tasks.incrementAndGet());
                        },
                        failure -> {
                            failures.add(failure);
                            if (failures.size() == 1) { // while this one is told, so that none of them is asked for
                                for (var account : List.of("a", "b", "c", "b")) {
                                    of(queue).enqueue(new Deposit(account, failures.size()));
                                }
                            }
                        })
                .key(OfAccount.class, OfAccount::account)
                .workers(1)
                .build()) {
            queue.set(own);
            own.enqueue(new Deposit("a", 0));
            assertThat(own.status()).isEqualTo(new QueueStatus(5, 0, 0, 5, 0));
        }
        assertThat(failures.stream().filter(failure -> failure.command().equals(new Deposit("b", 1))))
                .hasSize(2);
        assertThat(failures.stream()
                        .filter(failure -> !failure.command().equals(new Deposit("a", 1)))
                        .map(QueueFailure::cause)
                        .distinct())
                .hasSize(3); // of the first one, of both of a key, and of the last one
    }

    /** Has no stack left at a chosen place between commands: where the queue looks the thread up. */
    private static final class Breaking extends Thread {
        private final AtomicInteger lookUps = new AtomicInteger();

        Breaking(Runnable task, int lookUps) {
            super(task);
            this.lookUps.set(lookUps);
            setUncaughtExceptionHandler((thread, thrown) -> {});
        }

        @Override
        public int hashCode() {
            if (lookUps.getAndDecrement() == 0) {
                throw new StackOverflowError();
            }
            return System.identityHashCode(this);
        }
    }

    @Test
    void an_error_between_commands_of_who_enqueues_loses_neither_command_nor_worker() throws Exception {
        Executor refuses = task -> {
            throw new RejectedExecutionException("full");
        };
        for (Executor executor : List.<Executor>of(Runnable::run, refuses)) {
            for (int at = 0; at < 6; at++) {
                var outcome = new AtomicReference<Throwable>();
                var queue = queue(executor).workers(1).build();
                var stages = new CopyOnWriteArrayList<CompletionStage<?>>();
                var thread = new Breaking(
                        () -> outcome.set(catchThrowable(() -> {
                            stages.add(queue.enqueue(new Deposit("a", 1)));
                            stages.add(queue.enqueue(new Deposit("a", 2)));
                        })),
                        at);
                thread.start();
                thread.join();
                assertThat(outcome.get()).as("at " + at).isNull();
                stages.add(queue.enqueue(new Ping(3)));
                assertThat(stages)
                        .as("at " + at)
                        .hasSize(3)
                        .allMatch(stage -> stage.toCompletableFuture().isDone());
                queue.close();
                assertThat(queue.status().accepted()).isEqualTo(3);
            }
        }
    }

    @Test
    void an_error_between_commands_of_the_executors_thread_loses_neither_command_nor_worker() {
        for (int at = 0; at < 4; at++) {
            int place = at;
            var executor = Executors.newFixedThreadPool(1, task -> new Breaking(task, place));
            executors.add(executor);
            var queue = queue(executor).workers(1).build();
            assertThat(result(queue.enqueue(new Deposit("a", at)))).isEqualTo("deposit a " + at);
            assertThat(result(queue.enqueue(new Deposit("b", at)))).isEqualTo("deposit b " + at);
            queue.close();
        }
    }

    @Test
    void an_error_between_commands_is_survived_also_where_a_task_of_the_executor_has_enqueued_them() throws Exception {
        var executor = Executors.newFixedThreadPool(1, task -> new Breaking(task, 1));
        executors.add(executor);
        var queue = queue(executor).workers(1).build();
        var stage = executor.submit(() -> queue.enqueue(new Deposit("a", 1))).get();
        assertThat(result(stage)).isEqualTo("deposit a 1");
        queue.close();
    }

    @Test
    void a_handler_of_uncaught_exceptions_that_throws_does_no_harm() {
        Thread.currentThread().setUncaughtExceptionHandler((thread, thrown) -> {
            throw new IllegalStateException("the handler");
        });
        try (var queue = CommandQueue.to(bus, Runnable::run, failures::add)
                .key(Do.class, Do::key)
                .context(() -> task -> () -> {
                    task.run();
                    throw new IllegalStateException("after the command");
                })
                .build()) {
            assertThat(result(queue.enqueue(new Do("a", () -> {})))).isEqualTo(Done.DONE);
            assertThat(result(queue.enqueue(new Do("a", () -> {})))).isEqualTo(Done.DONE);
            assertThat(queue.status()).isEqualTo(new QueueStatus(2, 0, 0, 0, 0));
        } finally {
            Thread.currentThread().setUncaughtExceptionHandler(null);
        }
    }

    @Test
    void an_executor_that_has_the_caller_run_what_it_has_no_thread_for_runs_all() throws Exception {
        var pool = new ThreadPoolExecutor(
                1, 1, 0, TimeUnit.SECONDS, new SynchronousQueue<>(), new ThreadPoolExecutor.CallerRunsPolicy());
        executors.add(pool);
        var begun = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        try (var queue = queue(pool).workers(2).build()) {
            var slow = queue.enqueue(new Do("slow", () -> {
                begun.countDown();
                await(go);
                queue.enqueue(new Deposit("of the handler", 3)); // not within it
                done.add("slow");
            }));
            await(begun);

            var here = queue.enqueue(new Deposit("b", 1)); // the only thread is busy
            assertThat(here.toCompletableFuture()).isDone();
            queue.enqueue(new Deposit("slow", 2)); // has its turn after the other
            assertThat(done).containsExactly("deposit b 1");
            go.countDown();
            result(slow);
        }
        assertThat(done).startsWith("deposit b 1", "slow").hasSize(4);
        assertThat(done).contains("deposit slow 2", "deposit of the handler 3");
    }

    @Test
    void where_a_worker_is_left_nothing_is_refused() throws Exception {
        var executor = threads(1);
        var tasks = new AtomicInteger();
        var go = new CountDownLatch(1);
        var begun = new CountDownLatch(1);
        try (var queue = queue(task -> {
                    if (tasks.getAndIncrement() > 0) {
                        throw new RejectedExecutionException("one is enough");
                    }
                    executor.execute(task);
                })
                .workers(4)
                .build()) {
            queue.enqueue(new Do("a", () -> {
                begun.countDown();
                await(go);
            }));
            await(begun);
            for (int i = 0; i < 5_000; i++) { // so many that the worker is also refused when it hands over
                queue.enqueue(new Deposit("key" + i % 7, i));
            }
            go.countDown();
        }
        assertThat(done).hasSize(5_000);
    }

    @Test
    void at_the_bound_an_executor_that_has_refused_is_asked_again() throws Exception {
        for (var whenFull : WhenFull.values()) {
            var executor = threads(2);
            var tasks = new AtomicInteger();
            var begun = new CountDownLatch(1);
            var go = new CountDownLatch(1);
            try (var queue = queue(task -> {
                        if (tasks.getAndIncrement() == 1) {
                            throw new RejectedExecutionException("full for a moment");
                        }
                        executor.execute(task);
                    })
                    .workers(2)
                    .capacity(2)
                    .whenFull(whenFull)
                    .build()) {
                queue.enqueue(new Do("slow", () -> {
                    begun.countDown();
                    await(go);
                }));
                await(begun);
                var ready = queue.enqueue(new Deposit("b", 1));
                assertThat(tasks).hasValue(2);
                var next = CompletableFuture.supplyAsync(
                        () -> catchThrowable(() -> queue.enqueue(new Deposit("slow", 2))), threads(1));
                assertThat(result(ready)).isEqualTo("deposit b 1"); // although the slow one still runs
                result(next); // there is room for it, or was none yet
                go.countDown();
            }
        }
    }

    @Test
    void others_of_a_shared_executor_come_in_between() throws Exception {
        var executor = threads(1);
        var stop = new AtomicBoolean();
        var queue = new AtomicReference<CommandQueue>();
        var again = new AtomicReference<Body>();
        again.set(() -> {
            if (!stop.get()) {
                of(queue).enqueue(new Do("a", of(again)));
            }
        });
        try (var shared = queue(executor).workers(1).build()) {
            queue.set(shared);
            shared.enqueue(new Do("a", of(again)));
            var other = new CountDownLatch(1);
            executor.execute(other::countDown);
            await(other);
            stop.set(true);
        }
    }

    @Test
    void others_of_a_shared_executor_come_in_between_the_commands_of_one_key() {
        int count = 3 * Worker.COMMANDS_A_TASK;
        var tasks = new ArrayDeque<Runnable>();
        var sizes = new ArrayList<Integer>();
        try (var queue = queue(tasks::add).workers(1).capacity(count).build()) {
            for (int i = 0; i < count; i++) {
                queue.enqueue(new Deposit("a", i));
            }
            while (!tasks.isEmpty()) {
                int before = done.size();
                tasks.remove().run();
                sizes.add(done.size() - before);
            }
        }
        assertThat(sizes).hasSize(3).containsOnly(Worker.COMMANDS_A_TASK);
    }

    @Test
    void a_seeded_scheduler_runs_it_in_any_order_of_tasks() {
        SeededScheduler.explore(200, 1, scheduler -> {
            done.clear();
            var queue = queue(scheduler).workers(2).capacity(1_000).build();
            for (int i = 0; i < 20; i++) {
                int number = i;
                scheduler.execute(() -> queue.enqueue(new Deposit("a", number)));
                scheduler.execute(() -> queue.enqueue(new Ping(number)));
            }
            scheduler.runAll();
            assertThat(queue.status()).isEqualTo(new QueueStatus(40, 0, 0, 0, 0));
            queue.close();
        });
    }

    @Test
    void virtual_threads_run_it() throws Exception {
        if (Runtime.version().feature() < 21) {
            return; // there are none
        }
        var virtual = (ExecutorService)
                Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
        executors.add(virtual);
        try (var queue = queue(virtual).workers(50).build()) {
            for (int i = 0; i < 10_000; i++) {
                queue.enqueue(new Deposit("key" + i % 50, i / 50));
            }
        }
        for (int k = 0; k < 50; k++) {
            var of = "deposit key" + k + " ";
            assertThat(done.stream().filter(d -> d.startsWith(of)).map(d -> Integer.parseInt(d.substring(of.length()))))
                    .hasSize(200)
                    .isSorted();
        }
    }

    // ---- context

    @Test
    void the_context_of_who_enqueues_is_there_when_it_is_dispatched() {
        var context = new ThreadLocal<String>();
        var seen = new CopyOnWriteArrayList<String>();
        try (var queue = queue(threads(1))
                .context(() -> {
                    var captured = context.get();
                    return task -> () -> {
                        context.set(captured);
                        try {
                            task.run();
                        } finally {
                            context.remove();
                        }
                    };
                })
                .build()) {
            for (var tenant : List.of("blue", "red")) {
                context.set(tenant);
                queue.enqueue(new Do("a", () -> seen.add(context.get())));
            }
            context.remove();
        }
        assertThat(seen).containsExactly("blue", "red");
    }

    @Test
    void a_context_that_fails_is_the_commands_failure_but_not_after_it() {
        var outside = new IllegalStateException("outside");
        var told = new AtomicReference<Throwable>();
        Thread.currentThread().setUncaughtExceptionHandler((thread, thrown) -> told.set(thrown));
        try {
            var wraps = new ArrayDeque<java.util.function.UnaryOperator<Runnable>>(List.of(
                    task -> {
                        throw outside;
                    },
                    task -> () -> {},
                    task -> () -> {
                        task.run();
                        throw outside;
                    },
                    task -> () -> {
                        task.run();
                        task.run();
                    }));
            try (var queue = queue(Runnable::run).context(wraps::remove).build()) {
                assertThat(failure(queue.enqueue(new Deposit("a", 1)))).isSameAs(outside);
                assertThat(failure(queue.enqueue(new Deposit("a", 2))))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("did not run");
                assertThat(result(queue.enqueue(new Deposit("a", 3)))).isEqualTo("deposit a 3");
                assertThat(told.get()).isSameAs(outside);
                assertThat(result(queue.enqueue(new Deposit("a", 4)))).isEqualTo("deposit a 4");
            }
        } finally {
            Thread.currentThread().setUncaughtExceptionHandler(null);
        }
        assertThat(done).containsExactly("deposit a 3", "deposit a 4");
    }

    @Test
    void who_keeps_a_stage_does_not_keep_what_hung_on_its_command() {
        for (boolean context : List.of(false, true)) {
            var builder = queue(Runnable::run);
            try (var queue = (context ? builder.context(() -> task -> task) : builder).build()) {
                var stages = List.of(
                        queue.enqueue(new Deposit("a", 1), Metadata.withId("7")), queue.enqueue(new Do("a", () -> {
                            throw new IllegalStateException("mine");
                        })));
                for (var stage : stages) {
                    var task = (Task<?>) stage;
                    assertThat(task).isDone();
                    assertThat(task.command).isNull();
                    assertThat(task.metadata).isNull();
                    assertThat(task.key).isNull();
                    assertThat(task.wrap()).isNull();
                    assertThat(task.following).isNull();
                }
            }
        }
    }

    // ---- interrupts

    @Test
    void an_interrupt_ends_with_its_command_and_is_restored_when_the_worker_leaves() {
        var seen = new ArrayList<Boolean>();
        try (var queue = queue(Runnable::run).build()) {
            var inner = new AtomicReference<CompletionStage<Done>>();
            var interrupted = queue.enqueue(new Do("a", () -> {
                inner.set(queue.enqueue(
                        new Do("a", () -> seen.add(Thread.currentThread().isInterrupted()))));
                Thread.currentThread().interrupt();
                new CountDownLatch(1).await();
            }));
            assertThat(Thread.interrupted()).isTrue();
            assertThat(failure(interrupted)).hasCauseInstanceOf(InterruptedException.class);
            assertThat(result(of(inner))).isEqualTo(Done.DONE);
            assertThat(seen).containsExactly(false);
        }
    }

    @Test
    void an_interrupt_from_before_is_not_the_commands() {
        var seen = new ArrayList<Boolean>();
        try (var queue = queue(Runnable::run).build()) {
            Thread.currentThread().interrupt();
            queue.enqueue(new Do("a", () -> seen.add(Thread.currentThread().isInterrupted())));
            assertThat(Thread.interrupted()).isTrue();
        }
        assertThat(seen).containsExactly(false);
    }

    @Test
    void an_interrupt_of_one_task_is_restored_although_the_commands_are_handed_over() {
        var tasks = new ArrayDeque<Runnable>();
        var flags = new AtomicInteger();
        for (Executor executor : List.<Executor>of(tasks::add, Runnable::run)) {
            try (var queue = queue(executor).workers(1).build()) {
                queue.enqueue(new Do("a", () -> {
                    for (int i = 0; i < 2 * Worker.COMMANDS_A_TASK; i++) {
                        queue.enqueue(new Do("a", () -> {
                            if (Thread.currentThread().isInterrupted()) {
                                flags.incrementAndGet();
                            }
                        }));
                    }
                    Thread.currentThread().interrupt();
                }));
                for (int task = 0; !tasks.isEmpty(); task++) {
                    tasks.remove().run();
                    assertThat(Thread.interrupted()).as("task " + task).isEqualTo(task == 0);
                }
                Thread.interrupted(); // of the executor that runs it at once
                assertThat(queue.status().waiting()).isZero();
            }
        }
        assertThat(flags).hasValue(0);
    }

    @Test
    void an_interrupt_that_hits_the_listener_of_what_was_refused_is_not_the_next_ones_and_is_restored() {
        var queue = new AtomicReference<CommandQueue>();
        var flags = new ArrayList<Boolean>();
        try (var own = CommandQueue.to(
                        bus,
                        task -> {
                            throw new RejectedExecutionException("full");
                        },
                        failure -> {
                            flags.add(Thread.currentThread().isInterrupted());
                            if (flags.size() == 1) {
                                of(queue).enqueue(new Deposit("a", 1));
                                of(queue).enqueue(new Deposit("b", 1));
                                Thread.currentThread().interrupt();
                            }
                        })
                .key(OfAccount.class, OfAccount::account)
                .build()) {
            queue.set(own);
            own.enqueue(new Deposit("a", 0));
            assertThat(Thread.interrupted()).isTrue();
        }
        assertThat(flags).containsExactly(false, false, false);
    }

    // ---- closing

    @Test
    void closing_drains_and_lets_handlers_enqueue_and_dispatch_but_nobody_else() throws Exception {
        var go = new CountDownLatch(1);
        var begun = new CountDownLatch(1);
        var closing = threads(1);
        var queue = queue(threads(1)).build();
        queue.enqueue(new Do("a", () -> {
            begun.countDown();
            await(go);
            bus.dispatch(new Deposit("b", 1));
            queue.enqueue(new Do("c", () -> queue.enqueue(new Deposit("d", 1))));
        }));
        queue.enqueue(new Deposit("a", 1));
        await(begun);
        var closed = CompletableFuture.runAsync(queue::close, closing);
        until(() -> catchThrowable(() -> queue.enqueue(new Ping(1))) instanceof IllegalStateException);
        assertThat(closed).isNotDone();
        go.countDown();
        result(closed);

        assertThat(done).containsExactlyInAnyOrder("deposit b 1", "deposit a 1", "deposit d 1");
        assertThat(queue.status().waiting()).isZero();
        assertThatThrownBy(() -> queue.enqueue(new Ping(1)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        queue.close(); // does nothing
    }

    @Test
    void closing_refuses_who_waits_for_room() throws Exception {
        var go = new CountDownLatch(1);
        var waiting = threads(3);
        var refused = new ArrayList<CompletableFuture<Throwable>>();
        var queue = queue(threads(1)).capacity(1).build();
        queue.enqueue(new Do("a", () -> await(go)));
        for (int i = 0; i < 3; i++) {
            refused.add(CompletableFuture.supplyAsync(
                    () -> catchThrowable(() -> queue.enqueue(new Deposit("b", 1))), waiting));
        }
        var closed = CompletableFuture.runAsync(queue::close, threads(1));
        for (var one : refused) {
            assertThat(result(one)).isInstanceOf(IllegalStateException.class).hasMessageContaining("closed");
        }
        go.countDown();
        result(closed);
        assertThat(done).isEmpty();
    }

    @Test
    void closing_from_within_a_handler_or_what_depends_on_it_returns_at_once() throws Exception {
        for (boolean inHandler : List.of(true, false)) {
            done.clear();
            var queue = queue(threads(1)).build();
            var go = new CountDownLatch(1);
            var first = queue.enqueue(new Do("a", () -> {
                await(go);
                if (inHandler) {
                    queue.close();
                }
            }));
            var depends = first.thenRun(queue::close);
            queue.enqueue(new Deposit("a", 1));
            go.countDown();
            result(depends);
            queue.close();
            assertThat(done).containsExactly("deposit a 1");
        }
    }

    @Test
    void closing_on_the_only_thread_of_the_executor_does_not_wait_for_itself() {
        var executor = threads(1);
        var queue = queue(executor).build();
        var closed = CompletableFuture.supplyAsync(
                () -> {
                    var stage = queue.enqueue(new Deposit("a", 1)); // whose task comes after this one
                    queue.close();
                    return stage.toCompletableFuture().isDone();
                },
                executor);
        assertThat(result(closed)).isTrue();
    }

    @Test
    void closing_on_the_only_thread_sees_a_command_that_was_just_being_accepted() throws Exception {
        for (boolean fails : List.of(false, true)) {
            var executor = threads(1);
            var accepted = new CountDownLatch(1);
            var go = new CountDownLatch(1);
            var queue = CommandQueue.to(bus, executor, failures::add)
                    .key(Do.class, Do::key)
                    .context(() -> {
                        accepted.countDown();
                        try {
                            await(go);
                        } catch (InterruptedException unexpected) {
                            throw new IllegalStateException(unexpected);
                        }
                        if (fails) {
                            throw new IllegalArgumentException("no context");
                        }
                        return task -> task;
                    })
                    .build();
            var enqueued = CompletableFuture.supplyAsync(
                    () -> catchThrowable(() -> queue.enqueue(new Do("a", () -> done.add("ran")))), threads(1));
            await(accepted);
            var closing = new AtomicReference<Thread>();
            var closed = CompletableFuture.runAsync(
                    () -> {
                        closing.set(Thread.currentThread());
                        queue.close();
                    },
                    executor);
            sleepsOr(closing, closed::isDone);
            go.countDown();
            result(closed);
            assertThat(done).hasSize(1);
            if (fails) {
                assertThat(of(new AtomicReference<>(enqueued.join()))).hasMessage("no context");
            }
        }
    }

    @Test
    void who_closes_takes_the_place_of_a_worker() throws Exception {
        var running = new AtomicInteger();
        var most = new AtomicInteger();
        var go = new CountDownLatch(1);
        var begun = new CountDownLatch(1);
        var queue = queue(threads(1)).workers(1).build();
        for (var key : List.of("a", "b", "c")) {
            queue.enqueue(new Do(key, () -> {
                most.accumulateAndGet(running.incrementAndGet(), Math::max);
                begun.countDown();
                await(go);
                running.decrementAndGet();
            }));
        }
        await(begun);
        var closing = new AtomicReference<Thread>();
        var closed = CompletableFuture.runAsync(
                () -> {
                    closing.set(Thread.currentThread());
                    queue.close();
                },
                threads(1));
        sleepsOr(closing, () -> most.get() > 1);
        go.countDown();
        result(closed);
        assertThat(most).hasValue(1);
        assertThat(queue.status()).isEqualTo(new QueueStatus(3, 0, 0, 0, 0));
    }

    @Test
    void who_closes_is_told_when_the_executor_is_asked_again() throws Exception {
        var tasks = new AtomicInteger();
        var told = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        var queue = CommandQueue.to(
                        bus,
                        task -> { // refuses the first, and has no thread for those after it
                            if (tasks.getAndIncrement() == 0) {
                                throw new RejectedExecutionException("full for a moment");
                            }
                        },
                        failure -> {
                            told.countDown();
                            try {
                                await(go);
                            } catch (InterruptedException unexpected) {
                                throw new IllegalStateException(unexpected);
                            }
                        })
                .workers(1)
                .build();
        var refused = CompletableFuture.supplyAsync(() -> failure(queue.enqueue(new Ping(1))), threads(1));
        await(told);
        var second = queue.enqueue(new Ping(2));
        var closing = new AtomicReference<Thread>();
        var closed = CompletableFuture.runAsync(
                () -> {
                    closing.set(Thread.currentThread());
                    queue.close();
                },
                threads(1));
        sleepsOr(closing, closed::isDone);
        go.countDown();
        assertThat(result(refused)).isInstanceOf(RejectedExecutionException.class);
        result(closed);
        assertThat(second.toCompletableFuture()).isCompletedWithValue(2);
    }

    @Test
    void who_closes_runs_what_was_just_accepted_and_asks_no_executor() throws Exception {
        var asking = new CopyOnWriteArrayList<Thread>();
        var accepted = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        var captures = new AtomicInteger();
        var queue = CommandQueue.to(bus, task -> asking.add(Thread.currentThread()), failures::add) // drops it
                .context(() -> {
                    if (captures.getAndIncrement() > 0) {
                        accepted.countDown();
                        try {
                            await(go);
                        } catch (InterruptedException unexpected) {
                            throw new IllegalStateException(unexpected);
                        }
                    }
                    return task -> task;
                })
                .workers(1)
                .build();
        queue.enqueue(new Ping(1));
        var stage = new AtomicReference<CompletionStage<Integer>>();
        var producer = new Thread(() -> stage.set(queue.enqueue(new Ping(2))));
        producer.start();
        await(accepted);
        var lookUps = new AtomicInteger(); // when closing, when helping, when that is done
        var closing = new Thread(queue::close) {
            @Override
            public int hashCode() {
                if (Thread.currentThread() == this && lookUps.incrementAndGet() == 3) {
                    go.countDown();
                    until(() -> producer.getState() == State.WAITING && go.getCount() == 0); // for the queue's lock
                }
                return System.identityHashCode(this);
            }
        };
        closing.start();
        closing.join();
        producer.join();
        queue.close();
        assertThat(of(stage).toCompletableFuture()).isCompletedWithValue(2);
        assertThat(lookUps).hasValueGreaterThanOrEqualTo(3);
        assertThat(asking).doesNotContain(closing);
    }

    @Test
    void closing_runs_what_an_executor_has_dropped() {
        var dropped = new ArrayList<Runnable>();
        var queue = queue(dropped::add).workers(2).build();
        var stages = new ArrayList<CompletionStage<String>>();
        for (int i = 0; i < 1_000; i++) {
            stages.add(queue.enqueue(new Deposit("key" + i % 5, i)));
        }
        assertThat(dropped).hasSize(1); // that one is about to look, so no other is needed
        queue.close();
        assertThat(stages).allMatch(stage -> stage.toCompletableFuture().isDone());
        assertThat(done).hasSize(1_000);
        dropped.forEach(Runnable::run); // finds nothing
        assertThat(queue.status()).isEqualTo(new QueueStatus(1_000, 0, 0, 0, 0));
    }

    @Test
    void several_who_close_run_as_many_commands_at_once_as_there_are_workers() {
        var meeting = new CyclicBarrier(2);
        var queue = queue(task -> {}).workers(2).build(); // an executor that drops it
        for (var key : List.of("a", "b")) {
            queue.enqueue(new Do(key, () -> meeting.await(120, TimeUnit.SECONDS)));
        }
        var closers = threads(3);
        var closed = new ArrayList<CompletableFuture<Void>>();
        for (int i = 0; i < 3; i++) {
            closed.add(CompletableFuture.runAsync(
                    () -> {
                        queue.close();
                        assertThat(queue.status()).isEqualTo(new QueueStatus(2, 0, 0, 0, 0));
                    },
                    closers));
        }
        closed.forEach(CommandQueueTest::result);
    }

    @Test
    void interrupted_while_it_drains_it_returns_and_the_rest_still_runs() throws Exception {
        var go = new CountDownLatch(1);
        var begun = new CountDownLatch(1);
        var queue = queue(threads(1)).workers(1).build();
        queue.enqueue(new Do("a", () -> {
            begun.countDown();
            await(go);
        }));
        var rest = queue.enqueue(new Deposit("a", 1));
        await(begun);
        Thread.currentThread().interrupt();
        queue.close();
        assertThat(Thread.interrupted()).isTrue();
        assertThat(rest.toCompletableFuture()).isNotDone();
        go.countDown();
        queue.close();
        assertThat(rest.toCompletableFuture()).isDone();
        assertThat(done).containsExactly("deposit a 1");
    }

    @Test
    void interrupted_while_it_helps_it_returns_and_the_rest_still_runs() {
        var tasks = new ArrayList<Runnable>();
        var queue = queue(tasks::add).workers(2).build();
        queue.enqueue(new Do("a", () -> Thread.currentThread().interrupt()));
        queue.enqueue(new Deposit("a", 1));
        queue.enqueue(new Deposit("b", 1));
        queue.close();
        assertThat(Thread.interrupted()).isTrue();
        assertThat(done).isEmpty();
        for (int i = 0; i < tasks.size(); i++) {
            tasks.get(i).run();
        }
        assertThat(done).containsExactlyInAnyOrder("deposit a 1", "deposit b 1");
    }

    @Test
    void an_interrupt_that_hits_a_handler_on_the_closing_thread_is_that_commands() throws Exception {
        var begun = new CountDownLatch(1);
        var never = new CountDownLatch(1);
        var queue = queue(task -> {}).workers(1).build(); // an executor that drops it
        var hit = queue.enqueue(new Do("a", () -> {
            begun.countDown();
            never.await();
        }));
        var behind = queue.enqueue(new Deposit("a", 1));
        var closing = new AtomicReference<Thread>();
        var flag = CompletableFuture.supplyAsync(
                () -> {
                    closing.set(Thread.currentThread());
                    queue.close();
                    return Thread.interrupted();
                },
                threads(1));
        await(begun);
        of(closing).interrupt();
        assertThat(result(flag)).isTrue();
        assertThat(failure(hit)).hasRootCauseInstanceOf(InterruptedException.class);
        assertThat(behind.toCompletableFuture()).isNotDone();

        queue.close();
        assertThat(result(behind)).isEqualTo("deposit a 1");
    }

    @Test
    void an_interrupt_between_two_commands_of_who_closes_is_not_the_next_commands() {
        var tasks = new ArrayList<Runnable>();
        var seen = new ArrayList<Boolean>();
        var queue = CommandQueue.to(bus, tasks::add, failures::add)
                .key(Do.class, Do::key)
                .workers(1)
                .build();
        queue.enqueue(new Do("a", () -> {}))
                .thenRun(() -> Thread.currentThread().interrupt());
        queue.enqueue(new Do("b", () -> seen.add(Thread.currentThread().isInterrupted())));
        queue.close();
        assertThat(Thread.interrupted()).isTrue();
        assertThat(seen).isEmpty();
        for (int i = 0; i < tasks.size(); i++) {
            tasks.get(i).run();
        }
        assertThat(seen).containsExactly(false);
    }

    @Test
    void who_wants_a_key_for_all_says_so() {
        try (var queue = queue(Runnable::run)
                .key(Command.class, c -> {
                    throw new IllegalArgumentException(c.getClass().getSimpleName() + " has no key");
                })
                .build()) {
            queue.enqueue(new Deposit("a", 1));
            assertThatThrownBy(() -> queue.enqueue(new Ping(1))).hasMessage("Ping has no key");
            assertThat(queue.status().accepted()).isEqualTo(1);
        }
    }

    @Test
    void where_a_command_is_refused_its_context_is_not_captured() throws Exception {
        var captured = new AtomicInteger();
        var go = new CountDownLatch(1);
        try (var queue = queue(threads(1))
                .capacity(1)
                .whenFull(WhenFull.REFUSE)
                .context(() -> {
                    captured.incrementAndGet();
                    return task -> task;
                })
                .build()) {
            queue.enqueue(new Do("a", () -> await(go)));
            assertThatThrownBy(() -> queue.enqueue(new Ping(1))).isInstanceOf(QueueFullException.class);
            assertThat(captured).hasValue(1);
            go.countDown();
        }
    }

    @Test
    void a_context_that_cannot_be_captured_is_told_to_who_enqueues_and_takes_no_place() throws Exception {
        var capturing = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        var captures = new AtomicInteger();
        var mine = new IllegalStateException("no context");
        try (var queue = queue(threads(1))
                .capacity(1)
                .context(() -> {
                    if (captures.getAndIncrement() > 0) {
                        return task -> task;
                    }
                    capturing.countDown();
                    try {
                        await(go);
                    } catch (InterruptedException unexpected) {
                        throw new IllegalStateException(unexpected);
                    }
                    throw mine;
                })
                .build()) {
            var broken =
                    CompletableFuture.supplyAsync(() -> catchThrowable(() -> queue.enqueue(new Ping(1))), threads(1));
            await(capturing); // it has its place
            var waiting = new AtomicReference<Thread>();
            var next = CompletableFuture.supplyAsync(
                    () -> {
                        waiting.set(Thread.currentThread());
                        return result(queue.enqueue(new Ping(2)));
                    },
                    threads(1));
            sleepsOr(waiting, next::isDone);
            assertThat(next).isNotDone();
            go.countDown();
            assertThat(result(broken)).isSameAs(mine);
            assertThat(result(next)).isEqualTo(2);
            assertThat(queue.status()).isEqualTo(new QueueStatus(1, 0, 0, 0, 0));
        }
    }

    @Test
    @SuppressWarnings("NullAway") // nulls are handed over to see them refused
    void nulls_are_refused_by_name() {
        Executor direct = Runnable::run;
        assertNull("bus", () -> CommandQueue.to(null, direct, failures::add));
        assertNull("executor", () -> CommandQueue.to(bus, null, failures::add));
        assertNull("listener", () -> CommandQueue.to(bus, direct, null));
        var builder = queue(direct);
        assertNull("type", () -> builder.key(null, c -> 1));
        assertNull("key", () -> builder.key(Ping.class, null));
        assertNull("whenFull", () -> builder.whenFull(null));
        assertNull("capture", () -> builder.context(null));
        try (var queue = builder.build()) {
            assertNull("command", () -> queue.enqueue(null));
            assertNull("command", () -> queue.enqueue(null, Metadata.none()));
            assertNull("metadata", () -> queue.enqueue(new Ping(1), null));
            assertThat(queue.status()).isEqualTo(new QueueStatus(0, 0, 0, 0, 0));
        }
        try (var queue = queue(direct).context(() -> null).build()) {
            assertNull("the captured context", () -> queue.enqueue(new Ping(1)));
            assertThat(queue.status()).isEqualTo(new QueueStatus(0, 0, 0, 0, 0));
        }
        var cause = new IllegalStateException();
        assertNull("command", () -> new QueueFailure(null, Metadata.none(), cause));
        assertNull("metadata", () -> new QueueFailure(new Ping(1), null, cause));
        assertNull("cause", () -> new QueueFailure(new Ping(1), Metadata.none(), null));
    }

    private static void assertNull(String name, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOf(NullPointerException.class).hasMessage(name);
    }

    @Test
    void wrong_numbers_are_refused_at_once() {
        var builder = CommandQueue.to(bus, Runnable::run, failures::add);
        assertThatThrownBy(() -> builder.capacity(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("The capacity is 0; expected one or more.");
        assertThatThrownBy(() -> builder.workers(-1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("The number of workers is -1; expected one or more.");
    }
}
