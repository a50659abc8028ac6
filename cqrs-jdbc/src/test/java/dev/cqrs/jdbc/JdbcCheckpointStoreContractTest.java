package dev.cqrs.jdbc;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.contract.CheckpointStoreContract;
import dev.cqrs.projection.CheckpointStore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

class JdbcCheckpointStoreContractTest extends CheckpointStoreContract {

    private static final AtomicInteger STORES = new AtomicInteger();
    private static HikariDataSource database;

    @BeforeAll
    static void open_a_database() {
        database = Postgres.pooledDatabase(4);
    }

    @AfterAll
    static void close_the_database() {
        Postgres.giveBack(database);
    }

    /** Each in tables of its own. */
    @Override
    protected CheckpointStore emptyStore() {
        var prefix = "store" + STORES.incrementAndGet();
        JdbcSchema.of(prefix).apply(database);
        return JdbcCheckpointStore.builder(database, unreadable -> {
                    throw new AssertionError(unreadable);
                })
                .prefix(prefix)
                .states("", String.class)
                .build();
    }
}
