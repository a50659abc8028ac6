package dev.cqrs.inmemory;

import dev.cqrs.contract.CheckpointStoreContract;
import dev.cqrs.projection.CheckpointStore;

class InMemoryCheckpointStoreContractTest extends CheckpointStoreContract {

    @Override
    protected CheckpointStore emptyStore() {
        return new InMemoryCheckpointStore();
    }
}
