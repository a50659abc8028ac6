package dev.cqrs.inmemory;

import dev.cqrs.contract.QueryBusContract;
import dev.cqrs.message.Interceptor;
import dev.cqrs.query.QueryBus;
import java.util.List;

class InMemoryQueryBusContractTest extends QueryBusContract {

    @Override
    protected QueryBus busOf(List<Handling<?, ?>> handlings, List<Interceptor> interceptors) {
        var builder = InMemoryQueryBus.builder();
        handlings.forEach(handling -> handling.addTo(builder::handle));
        for (int i = 0; i < interceptors.size(); i++) {
            builder.intercept(i, interceptors.get(i));
        }
        return builder.build();
    }
}
