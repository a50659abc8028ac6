package dev.cqrs.jdbc;

import dev.cqrs.eventstore.EventQuery;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.concurrent.Executors;
import javax.sql.DataSource;

/** A program that keeps a view of what it has written, when it owns the projection; to be paused. */
final class ProjectingProcess {

    private ProjectingProcess() {}

    /** Without a key: what is written twice shows. */
    static void createView(DataSource database) throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute("create table written (id bigserial, position bigint, owner text, fence bigint)");
        }
    }

    /** Arguments: port, database, name. */
    public static void main(String[] args) {
        var database = WritingProcess.source(Integer.parseInt(args[0]), args[1]);
        var name = args[2];
        var threads = Executors.newCachedThreadPool();
        var pool = Postgres.pool(database, 4);
        var store = JdbcEventStore.builder(pool, StartingProcess.CATALOG, Clock.systemUTC())
                .follow(threads, Duration.ofMillis(100), Throwable::printStackTrace)
                .build();
        JdbcProjector.builder(store, pool)
                .owner(name)
                .batch(5)
                .lease(Duration.ofSeconds(1))
                .start(
                        "written",
                        1,
                        EventQuery.all(),
                        (connection, event) -> {
                            try (var insert = connection.prepareStatement("insert into written (position, owner, fence)"
                                    + " select ?, ?, fence from cqrs_lease where name = 'projection/written'")) {
                                insert.setLong(1, event.position().value());
                                insert.setString(2, name);
                                insert.executeUpdate();
                            }
                        },
                        threads,
                        System.err::println);
    }
}
