package dev.cqrs.inmemory;

import dev.cqrs.contract.QueryBusContract;
import dev.cqrs.message.Interceptor;
import dev.cqrs.query.QueryBus;
import dev.cqrs.testing.RecordingQueryBus;
import java.util.List;

/** The test kit's bus around one in memory is a bus like any other. */
class RecordingQueryBusContractTest extends QueryBusContract {

    @Override
    protected QueryBus busOf(List<Handling<?, ?>> handlings, List<Interceptor> interceptors) {
        return RecordingQueryBus.around(new InMemoryQueryBusContractTest().busOf(handlings, interceptors));
    }
}
