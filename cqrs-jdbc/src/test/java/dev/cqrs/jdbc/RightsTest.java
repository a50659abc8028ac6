package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(300)
class RightsTest {

    record Paid(String account) {}

    private static final Tag ALICE = Tag.of("account", "alice");

    @Test
    void the_rights_that_the_guide_names_are_enough_and_change_no_event() throws Exception {
        // given a role that has those rights alone
        var owner = Postgres.database();
        JdbcSchema.of("bank").apply(owner);
        update(owner, "create role app login; create table seen (account text); grant insert on seen to app");
        update(owner, grantsOfTheGuide());
        var app = Postgres.database();
        app.setServerNames(owner.getServerNames());
        app.setPortNumbers(owner.getPortNumbers());
        app.setDatabaseName(owner.getDatabaseName());
        app.setUser("app");

        // when it does all there is to do
        var catalog = Catalog.builder()
                .event("paid", Paid.class, e -> Set.of(Tag.of("account", e.account())))
                .build();
        var threads = Executors.newCachedThreadPool();
        var failures = new LinkedBlockingQueue<Object>(100);
        try (var store = JdbcEventStore.builder(app, catalog, Clock.systemUTC())
                .prefix("bank")
                .follow(threads, Duration.ofSeconds(1), failures::add)
                .build()) {
            var alice = EventQuery.tagged(ALICE);
            store.append(List.of(new Paid("alice")), AppendCondition.absent(alice));
            assertThat(store.read(alice, ReadOptions.forwards()).toList()).hasSize(1);

            var checkpoints = JdbcCheckpointStore.builder(app, failures::add)
                    .prefix("bank")
                    .states("", String.class)
                    .build();
            try (var lease = JdbcLease.of(app, "bank", "one", "app", Duration.ofMinutes(1))) {
                assertThat(lease.acquire()).isTrue();
                var guarded = checkpoints.guardedBy(lease);
                guarded.save("view", new Checkpoint(1, Position.of(1), "state"));
                assertThat(guarded.load("view")).isPresent();
                guarded.delete("view");
            }
            try (var projector = JdbcProjector.builder(store, app)
                    .prefix("bank")
                    .start(
                            "seen",
                            1,
                            EventQuery.all(),
                            (connection, event) -> {
                                try (var insert = connection.createStatement()) {
                                    insert.execute("insert into seen values ('alice')");
                                }
                            },
                            threads,
                            failures::add)) {
                projector.awaitApplied(store.head(), Duration.ofMinutes(2));
            }
        } finally {
            threads.shutdownNow();
        }

        // then
        assertThat(failures).isEmpty();
        for (var refused : List.of("update bank_event set name = 'x'", "delete from bank_event", "truncate bank_tag")) {
            assertThatThrownBy(() -> update(app, refused))
                    .isInstanceOf(SQLException.class)
                    .hasMessageContaining("permission denied");
        }
    }

    private static String grantsOfTheGuide() throws Exception {
        var guide = Files.readString(Path.of("..", "docs", "guides", "postgresql.md"));
        var begin = guide.indexOf("```sql\ngrant") + "```sql\n".length();
        return guide.substring(begin, guide.indexOf("```", begin));
    }

    private static void update(DataSource database, String sql) throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
