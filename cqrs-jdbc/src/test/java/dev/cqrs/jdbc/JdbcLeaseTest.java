package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Position;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(300)
class JdbcLeaseTest {

    private static final Duration LONG = Duration.ofMinutes(10);
    private static final Duration SHORT = Duration.ofMillis(300);

    private final DataSource database = Postgres.database();

    @BeforeEach
    void apply_the_schema() {
        JdbcSchema.of("cqrs").apply(database);
    }

    private JdbcLease lease(String owner, Duration duration) {
        return JdbcLease.of(database, "cqrs", "balances", owner, duration);
    }

    @Test
    void one_owner_has_it_until_it_is_given_up_and_fences_rise() {
        var one = lease("one", LONG);
        var two = lease("two", LONG);

        assertThat(one.acquire()).isTrue();
        assertThat(two.acquire()).isFalse();
        assertThat(two.fence()).isEmpty();
        long first = one.fence().orElseThrow();
        assertThat(one.acquire()).isTrue();
        assertThat(one.fence()).hasValue(first);

        one.close();
        one.close();
        assertThat(one.fence()).isEmpty();
        assertThat(two.acquire()).isTrue();
        assertThat(two.fence().orElseThrow()).isGreaterThan(first);
    }

    @Test
    void two_that_call_themselves_the_same_are_two_owners() {
        var one = lease("same", LONG);
        var two = lease("same", LONG);

        assertThat(one.acquire()).isTrue();
        assertThat(two.acquire()).isFalse();
    }

    @Test
    void names_are_leased_apart_also_from_other_prefixes() {
        JdbcSchema.of("other").apply(database);

        assertThat(lease("one", LONG).acquire()).isTrue();
        assertThat(JdbcLease.of(database, "cqrs", "turnover", "two", LONG).acquire())
                .isTrue();
        assertThat(JdbcLease.of(database, "other", "balances", "two", LONG).acquire())
                .isTrue();
    }

    @Test
    void where_its_table_is_not_it_says_how_it_comes_there() {
        assertThatThrownBy(() -> JdbcLease.of(database, "elsewhere", "balances", "one", LONG)
                        .acquire())
                .isInstanceOf(SchemaMismatchException.class)
                .hasMessageContaining("JdbcSchema.of(\"elsewhere\").apply(dataSource)");
    }

    @Test
    void a_table_that_somebody_has_dropped_is_no_other_version_of_the_schema() throws Exception {
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute("drop table cqrs_lease");
        }
        assertThatThrownBy(() -> lease("one", LONG).acquire())
                .isInstanceOf(DatabaseException.class)
                .hasMessageContaining("cqrs_lease");
    }

    @Test
    void of_sixteen_that_want_it_at_once_one_gets_it_each_time() throws Exception {
        var pool = Executors.newFixedThreadPool(16);
        try {
            for (int round = 0; round < 20; round++) {
                var leases = new ArrayList<JdbcLease>();
                for (int i = 0; i < 16; i++) {
                    leases.add(lease("owner " + i, LONG));
                }
                var got = pool.invokeAll(leases.stream()
                        .map(lease -> (java.util.concurrent.Callable<Boolean>) lease::acquire)
                        .toList());
                int owners = 0;
                for (var one : got) {
                    owners += one.get() ? 1 : 0;
                }
                assertThat(owners).isEqualTo(1);
                leases.forEach(JdbcLease::close);
            }
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void an_owner_that_was_paused_past_its_lease_writes_nothing() throws Exception {
        // given an owner that says nothing for longer than its lease, and the next one
        var paused = lease("paused", SHORT);
        var next = lease("next", LONG);
        assertThat(paused.acquire()).isTrue();
        var store = checkpoints();
        var late = store.guardedBy(paused);
        acquireSoon(next);
        store.guardedBy(next).save("balances", new Checkpoint(1, Position.of(2), "by the next"));

        // then
        assertThat(paused.fence()).as("it does not know yet").isPresent();
        assertThatThrownBy(() -> late.save("balances", new Checkpoint(1, Position.of(1), "late")))
                .isInstanceOf(LeaseLostException.class)
                .hasMessageContaining("\"balances\"")
                .hasMessageContaining("\"paused\"");
        assertThatThrownBy(() -> late.delete("balances")).isInstanceOf(LeaseLostException.class);
        assertThat(store.load("balances")).contains(new Checkpoint(1, Position.of(2), "by the next"));
        assertThat(paused.acquire()).isFalse();
        assertThat(paused.fence()).isEmpty();
        assertThatThrownBy(() -> store.guardedBy(paused)).isInstanceOf(LeaseLostException.class);
    }

    @Test
    void an_owner_that_takes_its_lease_again_writes_nothing_of_before() throws Exception {
        // given an owner that was paused while another one came, wrote and went
        var lease = lease("one", LONG);
        assertThat(lease.acquire()).isTrue();
        long before = lease.fence().orElseThrow();
        var store = checkpoints();
        var guarded = store.guardedBy(lease);
        store.save("balances", new Checkpoint(1, Position.of(2), "by the other"));
        comeAndGo();

        // when
        assertThat(lease.acquire()).isTrue();

        // then
        assertThatThrownBy(() -> guarded.save("balances", new Checkpoint(1, Position.of(1), "of before")))
                .isInstanceOf(LeaseLostException.class);
        assertThat(store.load("balances")).contains(new Checkpoint(1, Position.of(2), "by the other"));
        try (var connection = transaction()) {
            assertThatThrownBy(() -> lease.guard(connection, before)).isInstanceOf(LeaseLostException.class);
            lease.guard(connection, lease.fence().orElseThrow());
            connection.rollback();
        }
    }

    @Test
    void work_that_lost_its_lease_is_closed_before_the_lease_is_taken_again_and_overwrites_nothing() throws Exception {
        var pool = Executors.newFixedThreadPool(1);
        BlockingQueue<String> opened = new LinkedBlockingQueue<>(10);
        BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>(10);
        var store = checkpoints();
        var lease = lease("one", SHORT);
        Supplier<AutoCloseable> work = () -> {
            opened.add("opened");
            return () -> {
                try (var connection = transaction()) { // whoever asks for the moment's ownership, too
                    assertThatThrownBy(() -> lease.guard(connection)).isInstanceOf(LeaseLostException.class);
                    connection.rollback();
                }
                store.guardedBy(lease).save("balances", new Checkpoint(1, Position.of(500), "stale"));
            };
        };
        try (var running = lease.whileHeld(pool, work, errors::add)) {
            assertThat(opened.poll(120, TimeUnit.SECONDS)).isEqualTo("opened");
            store.save("balances", new Checkpoint(1, Position.of(1_000), "by the other"));
            comeAndGo();

            var told = errors.poll(120, TimeUnit.SECONDS);
            if (told instanceof IllegalStateException) { // it was lost before it was renewed behind the opening
                told = errors.poll(120, TimeUnit.SECONDS);
            }
            assertThat(told).isInstanceOf(LeaseLostException.class);
            assertThat(store.load("balances")).contains(new Checkpoint(1, Position.of(1_000), "by the other"));
            assertThat(opened.poll(120, TimeUnit.SECONDS)).as("taken again").isEqualTo("opened");
            assertThat(running).isNotNull();
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void a_fence_that_a_fail_over_has_forgotten_and_given_again_has_one_owner() throws Exception {
        // given two owners with one fence, since the replica had not yet heard of the first
        var forgotten = lease("forgotten", LONG);
        var next = lease("next", LONG);
        assertThat(forgotten.acquire()).isTrue();
        update("update cqrs_lease set fence = fence - 1, token = gen_random_uuid(), until = '-infinity'");
        long fence = forgotten.fence().orElseThrow();
        var late = checkpoints().guardedBy(forgotten);
        assertThat(next.acquire()).isTrue();
        assertThat(next.fence()).hasValue(fence);

        // then
        assertThatThrownBy(() -> late.save("balances", new Checkpoint(1, Position.of(1), "late")))
                .isInstanceOf(LeaseLostException.class);
        assertThat(forgotten.acquire()).isFalse();
        assertThat(next.acquire()).isTrue();
        assertThat(next.fence()).hasValue(fence);
    }

    @Test
    void an_owner_whose_fence_was_forgotten_takes_a_greater_one() throws Exception {
        var lease = lease("one", LONG);
        assertThat(lease.acquire()).isTrue();
        long first = lease.fence().orElseThrow();
        update("update cqrs_lease set fence = fence - 1, token = gen_random_uuid(), until = '-infinity'");

        assertThat(lease.acquire()).isTrue();
        assertThat(lease.fence().orElseThrow()).isGreaterThan(first);
    }

    @Test
    void a_lease_that_ran_out_is_no_lease_even_if_nobody_else_wants_it() throws Exception {
        var lease = lease("one", SHORT);
        assertThat(lease.acquire()).isTrue();
        long first = lease.fence().orElseThrow();
        awaitEndOfLease();

        try (var connection = transaction()) {
            assertThatThrownBy(() -> lease.guard(connection)).isInstanceOf(LeaseLostException.class);
            connection.rollback();
        }
        assertThat(lease.acquire()).isTrue();
        assertThat(lease.fence().orElseThrow()).isGreaterThan(first);
    }

    @Test
    void a_guarded_transaction_keeps_the_lease_until_it_ends_and_others_do_not_wait_for_it() throws Exception {
        var one = lease("one", SHORT);
        var two = lease("two", LONG);

        // when the owner's transaction is busy for longer than the lease
        var pool = Executors.newSingleThreadExecutor();
        try (var gate = transaction()) {
            ask(gate, "select pg_advisory_xact_lock(42)");
            var busy = pool.submit(() -> {
                guarded(one, "select pg_advisory_xact_lock(42)").close();
                return null;
            });
            update("do $$ begin while not exists (select from pg_locks where locktype = 'advisory' and not granted"
                    + " and database = (select oid from pg_database where datname = current_database()))"
                    + " loop perform pg_sleep(0.01); end loop; end $$");
            awaitEndOfLease();
            for (int i = 0; i < 10; i++) {
                assertThat(two.acquire()).isFalse();
            }
            assertThat(busy.isDone()).isFalse();
            gate.commit();
            busy.get(120, TimeUnit.SECONDS);
        } finally {
            pool.shutdownNow();
        }

        // then it is free at once
        acquireSoon(two);
    }

    @Test
    void a_transaction_whose_owner_says_nothing_any_more_is_ended_by_the_server() throws Exception {
        var paused = lease("paused", SHORT);
        var next = lease("next", LONG);

        try (var connection = guarded(paused, "create table trace (text text)")) {
            acquireSoon(next); // although the row was locked

            assertThatThrownBy(connection::commit).isInstanceOf(SQLException.class);
        }
        try (var connection = database.getConnection();
                var tables = connection.getMetaData().getTables(null, null, "trace", null)) {
            assertThat(tables.next()).isFalse();
        }
    }

    @Test
    void the_time_limit_of_a_guarded_transaction_ends_with_it() throws Exception {
        var lease = lease("one", LONG);
        assertThat(lease.acquire()).isTrue();
        try (var connection = transaction()) {
            var before = ask(connection, "show idle_in_transaction_session_timeout");
            connection.commit();
            lease.guard(connection);
            assertThat(ask(connection, "show idle_in_transaction_session_timeout"))
                    .isEqualTo("10min");
            connection.commit();
            assertThat(ask(connection, "show idle_in_transaction_session_timeout"))
                    .isEqualTo(before);
        }
    }

    @Test
    void a_stricter_time_limit_stays_and_a_laxer_one_is_tightened() throws Exception {
        var lease = lease("one", LONG);
        assertThat(lease.acquire()).isTrue();
        for (var limit : List.of("30s", "54321ms", "9min", "599999ms")) {
            assertThat(limitUnderGuard(lease, limit)).isEqualTo(limit);
        }
        for (var limit : List.of("0", "11min", "2d")) {
            assertThat(limitUnderGuard(lease, limit)).isEqualTo("10min");
        }
    }

    private String limitUnderGuard(JdbcLease lease, String limit) throws SQLException {
        try (var connection = transaction();
                var set = connection.createStatement()) {
            set.execute("set local idle_in_transaction_session_timeout = '" + limit + "'");
            lease.guard(connection);
            var found = ask(connection, "show idle_in_transaction_session_timeout");
            connection.rollback();
            return found;
        }
    }

    @Test
    void a_connection_in_auto_commit_mode_is_not_guarded() throws Exception {
        var lease = lease("one", LONG);
        assertThat(lease.acquire()).isTrue();
        try (var connection = database.getConnection()) {
            assertThatThrownBy(() -> lease.guard(connection))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("setAutoCommit(false)");
        }
    }

    @Test
    void what_runs_while_the_lease_is_held_runs_in_one_place_at_a_time_and_moves_on() throws Exception {
        for (int tries = 1; !movesOnWhenClosed(); tries++) {
            assertThat(tries).as("leases that were not renewed in time").isLessThan(20);
        }
    }

    /** {@code false} if the machine stood still for so long that the first one lost its lease. */
    private boolean movesOnWhenClosed() throws Exception {
        var pool = Executors.newFixedThreadPool(2);
        var open = new AtomicInteger();
        var closed = new CountDownLatch(1);
        BlockingQueue<String> opened = new LinkedBlockingQueue<>(10);
        BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>(10);
        try {
            var one = lease("one", SHORT)
                    .whileHeld(
                            pool,
                            () -> {
                                var work = work("one", open, opened);
                                return () -> {
                                    work.close();
                                    closed.countDown();
                                };
                            },
                            errors::add);
            assertThat(opened.poll(120, TimeUnit.SECONDS)).isEqualTo("one");
            try (var two = lease("two", LONG).whileHeld(pool, () -> work("two", open, opened), errors::add)) {
                // several leases long: the first keeps it
                if (opened.poll(1, TimeUnit.SECONDS) != null) {
                    assertThat(closed.await(120, TimeUnit.SECONDS))
                            .as("it knows that it lost it")
                            .isTrue();
                    one.close();
                    return false;
                }
                assertThat(two).isNotNull();
                one.close();
                assertThat(opened.poll(120, TimeUnit.SECONDS)).isEqualTo("two");
                assertThat(open).hasValue(1);
            }
            assertThat(open).hasValue(0);
            assertThat(errors).isEmpty();
            assertThat(lease("three", LONG).acquire()).as("it was given up").isTrue();
            return true;
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void work_whose_lease_is_taken_away_is_closed_and_what_goes_wrong_is_told() throws Exception {
        var pool = Executors.newFixedThreadPool(1);
        BlockingQueue<String> happened = new LinkedBlockingQueue<>(10);
        BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>(10);
        var openings = new AtomicInteger();
        try (var running = lease("one", SHORT)
                .whileHeld(
                        pool,
                        () -> {
                            if (openings.incrementAndGet() == 1) {
                                throw new IllegalStateException("not yet");
                            }
                            happened.add("opened");
                            return () -> happened.add("closed");
                        },
                        errors::add)) {
            assertThat(errors.poll(120, TimeUnit.SECONDS)).hasMessage("not yet");
            assertThat(happened.poll(120, TimeUnit.SECONDS)).isEqualTo("opened");

            update("update cqrs_lease set fence = fence + 1, until = 'infinity'");

            assertThat(happened.poll(120, TimeUnit.SECONDS)).isEqualTo("closed");
            assertThat(running).isNotNull();
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void work_goes_on_while_its_own_guarded_transaction_keeps_the_lease_from_being_renewed_in_time() throws Exception {
        update("do $$ begin execute 'alter database ' || current_database() || ' set lock_timeout = 100'; end $$");
        var pool = Executors.newFixedThreadPool(1);
        BlockingQueue<String> happened = new LinkedBlockingQueue<>(10);
        BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>(100);
        var lease = lease("one", Duration.ofSeconds(12));
        try (var running = lease.whileHeld(
                        pool,
                        () -> {
                            happened.add("opened");
                            return () -> happened.add("closed");
                        },
                        errors::add);
                var connection = transaction()) {
            assertThat(happened.poll(120, TimeUnit.SECONDS)).isEqualTo("opened");
            lease.guard(connection);
            for (int renewals = 0; renewals < 2; renewals++) {
                assertThat(errors.poll(120, TimeUnit.SECONDS))
                        .isInstanceOfSatisfying(
                                DatabaseException.class,
                                failed -> assertThat(failed.sqlState()).isEqualTo("55P03"));
            }
            connection.commit();

            var until = ask(connection, "select until from cqrs_lease");
            connection.commit();
            try (var looking = database.getConnection()) {
                Patience.await(() -> !until.equals(ask(looking, "select until from cqrs_lease")));
                assertThat(ask(looking, "select fence || ' ' || (until > clock_timestamp()) from cqrs_lease"))
                        .as("renewed, and neither given up nor taken again")
                        .isEqualTo("1 true");
            }
            assertThat(happened).isEmpty();
            assertThat(running).isNotNull();
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void work_whose_lease_cannot_be_renewed_is_closed_in_the_time_of_the_lease() throws Exception {
        var isAway = new AtomicBoolean();
        var source = Unruly.source(database, (what, call) -> {
            if (what.startsWith("DataSource.getConnection") && isAway.get()) {
                throw new SQLException("nobody is there", "08001");
            }
            return call.make();
        });
        var pool = Executors.newFixedThreadPool(1);
        BlockingQueue<String> happened = new LinkedBlockingQueue<>(10);
        BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>(100);
        try (var running = JdbcLease.of(source, "cqrs", "balances", "one", Duration.ofSeconds(1))
                .whileHeld(
                        pool,
                        () -> {
                            happened.add("opened");
                            return () -> happened.add("closed");
                        },
                        errors::add)) {
            assertThat(happened.poll(120, TimeUnit.SECONDS)).isEqualTo("opened");
            isAway.set(true);
            assertThat(happened.poll(120, TimeUnit.SECONDS)).isEqualTo("closed");
            assertThat(errors)
                    .isNotEmpty()
                    .allSatisfy(failed -> assertThat(failed).hasMessageContaining("nobody is there"));
            isAway.set(false);
            assertThat(running).isNotNull();
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void the_time_of_opening_is_not_taken_for_time_in_which_the_lease_was_renewed() throws Exception {
        var pool = Executors.newFixedThreadPool(1);
        BlockingQueue<String> happened = new LinkedBlockingQueue<>(100);
        BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>(100);
        var open = new AtomicInteger();
        try (var running = lease("one", LONG)
                .whileHeld(
                        pool,
                        () -> {
                            if (open.incrementAndGet() == 1) { // as if opening took longer than the lease
                                change("update cqrs_lease set until = '-infinity'");
                            } else { // or longer than two beats
                                change("update cqrs_lease set until = clock_timestamp() + interval '1 minute'");
                            }
                            happened.add("opened");
                            return () -> happened.add("closed");
                        },
                        errors::add)) {
            assertThat(happened.poll(120, TimeUnit.SECONDS)).isEqualTo("opened");
            assertThat(happened.poll(120, TimeUnit.SECONDS)).isEqualTo("closed");
            assertThat(errors.poll(120, TimeUnit.SECONDS)).hasMessageContaining("opening took longer");

            assertThat(happened.poll(120, TimeUnit.SECONDS)).isEqualTo("opened");
            try (var connection = database.getConnection()) {
                Patience.await(() -> "t"
                        .equals(ask(
                                connection,
                                "select until > clock_timestamp() + interval '5 minutes' from cqrs_lease")));
            }
            assertThat(running).isNotNull();
        } finally {
            pool.shutdownNow();
        }
        assertThat(errors).isEmpty();
        assertThat(open).hasValue(2);
    }

    @Test
    void a_listener_that_throws_what_it_is_told_does_not_keep_the_work_from_another_try() throws Exception {
        BlockingQueue<Throwable> uncaught = new LinkedBlockingQueue<>(10);
        var pool = Executors.newFixedThreadPool(1, task -> {
            var thread = new Thread(task);
            thread.setUncaughtExceptionHandler((on, thrown) -> {
                uncaught.add(thrown);
                throw new IllegalStateException("the handler too");
            });
            return thread;
        });
        var notYet = new IllegalStateException("not yet");
        var opened = new CountDownLatch(1);
        var openings = new AtomicInteger();
        try (var running = lease("one", SHORT)
                .whileHeld(
                        pool,
                        () -> {
                            if (openings.incrementAndGet() == 1) {
                                throw notYet;
                            }
                            opened.countDown();
                            return () -> {};
                        },
                        failed -> {
                            throw (RuntimeException) failed;
                        })) {
            assertThat(uncaught.poll(120, TimeUnit.SECONDS)).isSameAs(notYet);
            assertThat(opened.await(120, TimeUnit.SECONDS)).isTrue();
            assertThat(notYet.getSuppressed()).isEmpty();
            assertThat(running).isNotNull();
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void work_that_says_that_it_has_ended_is_closed_under_its_lease_and_another_gets_it() throws Exception {
        var pool = Executors.newFixedThreadPool(2);
        BlockingQueue<Runnable> ends = new LinkedBlockingQueue<>(10);
        BlockingQueue<String> happened = new LinkedBlockingQueue<>(10);
        BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>(10);
        var store = checkpoints();
        var lease = lease("one", LONG); // longer than the test: it is not renewed, nor does it run out
        try (var one = lease.whileHeld(
                pool,
                ended -> {
                    var guarded = store.guardedBy(lease);
                    ends.add(ended);
                    return () -> {
                        guarded.save("balances", new Checkpoint(1, Position.of(5), "in closing"));
                        happened.add("closed");
                    };
                },
                errors::add)) {
            var ended = ends.poll(120, TimeUnit.SECONDS);
            assertThat(ended).isNotNull();
            try (var other = lease("other", LONG)) {
                assertThat(other.acquire()).isFalse();

                ended.run();

                assertThat(happened.poll(120, TimeUnit.SECONDS)).isEqualTo("closed");
                assertThat(store.load("balances")).contains(new Checkpoint(1, Position.of(5), "in closing"));
                while (!other.acquire()) { // the first one may have been back before
                    var back = ends.poll(10, TimeUnit.MILLISECONDS);
                    if (back != null) {
                        back.run();
                        assertThat(happened.poll(120, TimeUnit.SECONDS)).isEqualTo("closed");
                    }
                }
            }
            // then it is the turn of the first again, for which the end of the earlier opening means nothing
            var again = ends.poll(120, TimeUnit.SECONDS);
            assertThat(again).isNotNull();
            ended.run();
            assertThat(happened.poll(500, TimeUnit.MILLISECONDS)).isNull();
            again.run();
            assertThat(happened.poll(120, TimeUnit.SECONDS)).isEqualTo("closed");
            assertThat(one).isNotNull();
        } finally {
            pool.shutdownNow();
        }
        assertThat(errors).isEmpty();
    }

    @Test
    void work_may_have_ended_before_it_is_open_and_on_the_keepers_own_thread() throws Exception {
        var pool = Executors.newSingleThreadExecutor();
        BlockingQueue<String> happened = new LinkedBlockingQueue<>(1_000);
        BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>(10);
        try (var running = lease("one", LONG)
                .whileHeld(
                        pool,
                        ended -> {
                            happened.add("opened");
                            ended.run();
                            return () -> {
                                ended.run();
                                happened.add("closed");
                            };
                        },
                        errors::add)) {
            for (int i = 0; i < 2; i++) {
                assertThat(happened.poll(120, TimeUnit.SECONDS)).isEqualTo("opened");
                assertThat(happened.poll(120, TimeUnit.SECONDS)).isEqualTo("closed");
            }
            assertThat(running).isNotNull();
        } finally {
            pool.shutdownNow();
        }
        assertThat(errors).isEmpty();
    }

    @Test
    void a_task_that_the_executor_never_ran_can_be_closed() {
        lease("one", SHORT).whileHeld(task -> {}, () -> () -> {}, error -> {}).close();
    }

    // ---- a pool that rolls nothing back, and whose connections do not commit by themselves

    @ParameterizedTest
    @ValueSource(ints = {Connection.TRANSACTION_READ_COMMITTED, Connection.TRANSACTION_REPEATABLE_READ})
    void a_careless_pool_will_do_and_no_transaction_stays_open(int isolation) throws Exception {
        try (var connection = transaction()) {
            connection.setTransactionIsolation(isolation);
            var source = OneConnection.source(connection);
            var careless = JdbcLease.of(source, "cqrs", "balances", "careless", LONG);
            var other = lease("other", LONG);
            var store = JdbcCheckpointStore.builder(source, unreadable -> {})
                    .states("", String.class)
                    .build();
            for (int i = 1; i <= 3; i++) {
                ask(connection, "select count(*) from cqrs_lease"); // whoever had it before, and has not ended it
                assertThat(careless.acquire()).isTrue();
                assertThat(careless.acquire()).isTrue();
                assertThat(other.acquire()).isFalse();
                var checkpoint = new Checkpoint(1, Position.of(i), "state " + i);
                store.guardedBy(careless).save("balances", checkpoint);
                assertThat(checkpoints().load("balances")).contains(checkpoint);
                assertThat(store.load("balances")).contains(checkpoint);
                assertNothingIsOpen();
                careless.close();
                assertThat(other.acquire()).isTrue();
                assertThat(careless.acquire()).isFalse();
                other.close();
                assertNothingIsOpen();
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_SERIALIZABLE})
    void above_read_committed_a_lease_is_renewed_behind_a_guarded_transaction(int isolation) throws Exception {
        var threads = Executors.newSingleThreadExecutor();
        try (var connection = database.getConnection();
                var guarded = transaction()) {
            connection.setTransactionIsolation(isolation);
            var lease = JdbcLease.of(OneConnection.source(connection), "cqrs", "balances", "one", LONG);
            assertThat(lease.acquire()).isTrue();
            var fence = lease.fence();
            lease.guard(guarded);

            var renewed = threads.submit(lease::acquire);
            update("do $$ begin while not exists (select from pg_stat_activity where wait_event_type = 'Lock'"
                    + " and datname = current_database()) loop perform pg_sleep(0.01); perform pg_stat_clear_snapshot();"
                    + " end loop; end $$");
            guarded.commit();

            assertThat(renewed.get(120, TimeUnit.SECONDS)).isTrue();
            assertThat(lease.fence()).isEqualTo(fence);
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void a_data_source_that_gives_the_connection_of_a_transaction_is_refused_and_the_transaction_left_alone()
            throws Exception {
        try (var connection = transaction();
                var rows = connection.createStatement()) {
            rows.execute("create table rows_of_my_own (i int)");
            connection.commit();
            rows.execute("insert into rows_of_my_own values (1)");
            var source = OneConnection.source(connection);

            assertThatThrownBy(JdbcLease.of(source, "cqrs", "balances", "wrong", LONG)::acquire)
                    .isInstanceOf(DatabaseException.class)
                    .hasMessageContaining("in the middle of a transaction");
            assertThatThrownBy(() -> JdbcCheckpointStore.builder(source, unreadable -> {})
                            .states("", String.class)
                            .build()
                            .save("balances", new Checkpoint(1, Position.of(1), "wrong")))
                    .isInstanceOf(DatabaseException.class)
                    .hasMessageContaining("in the middle of a transaction");

            assertThat(ask(connection, "select count(*) from rows_of_my_own")).isEqualTo("1");
            connection.rollback();
            assertThat(ask(connection, "select count(*) from rows_of_my_own")).isEqualTo("0");
        }
        assertThat(lease("one", LONG).acquire()).isTrue();
    }

    private void assertNothingIsOpen() throws SQLException {
        try (var connection = database.getConnection()) {
            assertThat(ask(
                            connection,
                            "select count(*) from pg_stat_activity where datname = current_database()"
                                    + " and state like 'idle in transaction%'"))
                    .isEqualTo("0");
        }
    }

    @Test
    void nonsense_is_refused() {
        assertThatThrownBy(() -> JdbcLease.of(database, "cqrs", " ", "one", LONG))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> JdbcLease.of(database, "x; drop table y", "a", "one", LONG))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> JdbcLease.of(database, "cqrs", "a\0", "one", LONG))
                .isInstanceOf(IllegalArgumentException.class);
        for (var wrong : List.of(Duration.ZERO, Duration.ofMillis(-5), Duration.ofDays(2))) {
            assertThatThrownBy(() -> JdbcLease.of(database, "cqrs", "a", "one", wrong))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    private static AutoCloseable work(String name, AtomicInteger open, BlockingQueue<String> opened) {
        open.incrementAndGet();
        opened.add(name);
        return open::decrementAndGet;
    }

    private JdbcCheckpointStore checkpoints() {
        return JdbcCheckpointStore.builder(database, unreadable -> {})
                .states("", String.class)
                .build();
    }

    /** As if another owner had taken the lease and given it up. */
    private void comeAndGo() throws SQLException {
        update("update cqrs_lease set fence = fence + 1, token = gen_random_uuid(), until = '-infinity'");
    }

    /** The database's clock decides, so there is no signal to wait for. */
    private static void acquireSoon(JdbcLease lease) throws InterruptedException {
        for (int tries = 0; !lease.acquire(); tries++) {
            assertThat(tries).isLessThan(12_000);
            TimeUnit.MILLISECONDS.sleep(10);
        }
    }

    /** A transaction that the lease guards, and in which something was done; anew where the lease had run out meanwhile. */
    private Connection guarded(JdbcLease lease, String work) throws SQLException {
        for (int tries = 1; ; tries++) {
            var connection = transaction();
            try (var statement = connection.createStatement()) {
                lease.acquire();
                lease.guard(connection);
                statement.execute(work);
                return connection;
            } catch (LeaseLostException | DatabaseException | SQLException late) {
                connection.close();
                if (tries == 100) {
                    throw late;
                }
            }
        }
    }

    private void awaitEndOfLease() throws SQLException {
        update("do $$ begin while exists (select from cqrs_lease where until > clock_timestamp())"
                + " loop perform pg_sleep(0.01); end loop; end $$");
    }

    private Connection transaction() throws SQLException {
        var connection = database.getConnection();
        connection.setAutoCommit(false);
        return connection;
    }

    private void update(String sql) throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private void change(String sql) {
        try {
            update(sql);
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
    }

    private static String ask(Connection connection, String sql) throws SQLException {
        try (var statement = connection.createStatement();
                var rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getString(1);
        }
    }

    @Test
    void work_whose_closing_was_interrupted_gives_the_lease_up_and_the_thread_back() throws Exception {
        var pool = Executors.newFixedThreadPool(1);
        BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>(100);
        try {
            lease("one", LONG)
                    .whileHeld(
                            pool,
                            ended -> {
                                ended.run();
                                return () -> {
                                    throw new InterruptedException("asked for while it was closing");
                                };
                            },
                            errors::add);
            assertThat(errors.poll(120, TimeUnit.SECONDS)).isInstanceOf(InterruptedException.class);

            pool.shutdown();
            assertThat(pool.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
            assertThat(lease("two", LONG).acquire()).isTrue();
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void work_that_leaves_its_thread_interrupted_gives_the_lease_up_where_nothing_is_done_for_such_a_thread()
            throws Exception {
        var strict = Unruly.source(database, (what, call) -> {
            if (what.startsWith("DataSource.getConnection")
                    && Thread.currentThread().isInterrupted()) {
                throw new SQLException("interrupted");
            }
            return call.make();
        });
        var pool = Executors.newFixedThreadPool(1);
        BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>(100);
        var closed = new CountDownLatch(1);
        try {
            JdbcLease.of(strict, "cqrs", "balances", "one", LONG)
                    .whileHeld(
                            pool,
                            ended -> {
                                ended.run();
                                return () -> {
                                    Thread.currentThread().interrupt();
                                    closed.countDown();
                                };
                            },
                            errors::add);
            assertThat(closed.await(120, TimeUnit.SECONDS)).isTrue();

            pool.shutdown();
            assertThat(pool.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
            assertThat(lease("two", LONG).acquire()).isTrue();
        } finally {
            pool.shutdownNow();
        }
    }
}
