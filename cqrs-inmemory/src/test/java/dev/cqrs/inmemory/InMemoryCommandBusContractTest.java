package dev.cqrs.inmemory;

import dev.cqrs.command.CommandBus;
import dev.cqrs.contract.CommandBusContract;
import dev.cqrs.message.Interceptor;
import java.util.List;

class InMemoryCommandBusContractTest extends CommandBusContract {

    @Override
    protected CommandBus busOf(List<Handling<?, ?>> handlings, List<Interceptor> interceptors) {
        var builder = InMemoryCommandBus.builder();
        handlings.forEach(handling -> handling.addTo(builder::handle));
        for (int i = 0; i < interceptors.size(); i++) {
            builder.intercept(i, interceptors.get(i));
        }
        return builder.build();
    }
}
