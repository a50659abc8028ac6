package dev.cqrs.inmemory;

import dev.cqrs.command.CommandBus;
import dev.cqrs.contract.CommandBusContract;
import dev.cqrs.message.Interceptor;
import dev.cqrs.testing.RecordingCommandBus;
import java.util.List;

/** The test kit's bus around one in memory is a bus like any other. */
class RecordingCommandBusContractTest extends CommandBusContract {

    @Override
    protected CommandBus busOf(List<Handling<?, ?>> handlings, List<Interceptor> interceptors) {
        return RecordingCommandBus.around(new InMemoryCommandBusContractTest().busOf(handlings, interceptors));
    }
}
