package dev.cqrs.jdbc;

import dev.cqrs.contract.CheckpointStoreContract;
import dev.cqrs.projection.CheckpointStore;

class JdbcCheckpointStoreContractTest extends CheckpointStoreContract {

    @Override
    protected CheckpointStore emptyStore() {
        var database = Postgres.database();
        JdbcSchema.of("cqrs").apply(database);
        return JdbcCheckpointStore.builder(database, unreadable -> {
                    throw new AssertionError(unreadable);
                })
                .states("", String.class)
                .build();
    }
}
