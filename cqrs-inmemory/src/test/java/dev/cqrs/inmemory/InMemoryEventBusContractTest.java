package dev.cqrs.inmemory;

import dev.cqrs.contract.EventBusContract;
import dev.cqrs.event.EventBus;
import dev.cqrs.message.Interceptor;
import java.util.List;

class InMemoryEventBusContractTest extends EventBusContract {

    @Override
    protected EventBus busOf(List<Interceptor> interceptors) {
        var builder = InMemoryEventBus.builder();
        for (int i = 0; i < interceptors.size(); i++) {
            builder.intercept(i, interceptors.get(i));
        }
        return builder.build();
    }
}
