package dev.cqrs.benchmarks;

import dev.cqrs.command.Command;
import java.util.concurrent.CountDownLatch;
import org.axonframework.commandhandling.CommandBus;
import org.axonframework.commandhandling.GenericCommandMessage;
import org.axonframework.commandhandling.SimpleCommandBus;
import org.axonframework.eventhandling.GenericEventMessage;
import org.axonframework.eventhandling.PropagatingErrorHandler;
import org.axonframework.eventhandling.SimpleEventBus;
import org.axonframework.eventhandling.SubscribingEventProcessor;
import org.axonframework.modelling.saga.AnnotatedSagaManager;
import org.axonframework.modelling.saga.EndSaga;
import org.axonframework.modelling.saga.SagaEventHandler;
import org.axonframework.modelling.saga.StartSaga;
import org.axonframework.modelling.saga.repository.AnnotatedSagaRepository;
import org.axonframework.modelling.saga.repository.inmemory.InMemorySagaStore;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** {@link Sagas} with Axon 4. */
public class SagaBenchmark extends Sagas {

    /** Word of a step; Axon's sagas go on by events. */
    public interface Word {
        /** Of which order. */
        String getOrder();
    }

    /** An order has been placed. */
    public record Placed(String getOrder, long cents) implements Word {}

    /** It has been paid. */
    public record Paid(String getOrder) implements Word {}

    /** Its goods have been reserved. */
    public record Reserved(String getOrder) implements Word {}

    /** They have been shipped. */
    public record Shipped(String getOrder) implements Word {}

    /** The saga, with Axon's annotations. */
    public static final class OrderSaga {

        private final CommandBus bus;

        OrderSaga(CommandBus bus) {
            this.bus = bus;
        }

        /** Begins. */
        @StartSaga
        @SagaEventHandler(associationProperty = "order")
        public void on(Placed event) {
            dispatch(new Pay(event.getOrder(), event.cents()));
        }

        /** Goes on. */
        @SagaEventHandler(associationProperty = "order")
        public void on(Paid event) {
            dispatch(new Reserve(event.getOrder()));
        }

        /** Goes on. */
        @SagaEventHandler(associationProperty = "order")
        public void on(Reserved event) {
            dispatch(new Ship(event.getOrder()));
        }

        /** Ends. */
        @EndSaga
        @SagaEventHandler(associationProperty = "order")
        public void on(Shipped event) {
            // that is all
        }

        private void dispatch(Command<?> command) {
            bus.dispatch(new GenericCommandMessage<>(command));
        }
    }

    /**
     * The annotated saga manager over the store in memory, the simple buses as their builders give them, and a processor on
     * the publishing thread. The kindest case: no event is stored, and no saga is written anywhere; the store has to look
     * through no more sagas than there are threads, as each is over before its thread takes the next.
     */
    @State(Scope.Benchmark)
    public static class Axon4 {

        private SimpleEventBus events;
        private SubscribingEventProcessor processor;
        private InMemorySagaStore store;

        /** Wires it. */
        @Setup(Level.Invocation)
        public void start(Load load) {
            events = SimpleEventBus.builder().build();
            store = new InMemorySagaStore();
            var bus = SimpleCommandBus.builder().build();
            bus.subscribe(Pay.class.getName(), message -> {
                var command = (Pay) message.getPayload();
                load.bus.dispatch(command);
                publish(new Paid(command.order()));
                return null;
            });
            bus.subscribe(Reserve.class.getName(), message -> {
                var command = (Reserve) message.getPayload();
                load.bus.dispatch(command);
                publish(new Reserved(command.order()));
                return null;
            });
            bus.subscribe(Ship.class.getName(), message -> {
                var command = (Ship) message.getPayload();
                load.bus.dispatch(command);
                publish(new Shipped(command.order()));
                return null;
            });
            var sagas = AnnotatedSagaManager.<OrderSaga>builder()
                    .sagaType(OrderSaga.class)
                    .sagaFactory(() -> new OrderSaga(bus))
                    .sagaRepository(AnnotatedSagaRepository.<OrderSaga>builder()
                            .sagaType(OrderSaga.class)
                            .sagaStore(store)
                            .build())
                    .build();
            processor = SubscribingEventProcessor.builder()
                    .name("sagas")
                    .eventHandlerInvoker(sagas)
                    .errorHandler(PropagatingErrorHandler.instance())
                    .messageSource(events)
                    .build();
            processor.start();
        }

        void publish(Word event) {
            events.publish(GenericEventMessage.asEventMessage(event));
        }

        /** Ends it. */
        @TearDown(Level.Invocation)
        public void end() {
            processor.shutDown();
            if (store.size() > 0) {
                throw new IllegalStateException(store.size() + " sagas have not ended; expected none.");
            }
        }
    }

    /** Axon 4. */
    @Benchmark
    @OperationsPerInvocation(SAGAS)
    public long axon4(Load load, Axon4 peer) throws InterruptedException {
        var done = new CountDownLatch(SAGAS);
        for (int i = 0; i < SAGAS; i++) {
            var placed = new Placed(load.keys[i], i);
            load.executor.execute(() -> {
                peer.publish(placed);
                done.countDown();
            });
        }
        done.await();
        return load.check();
    }
}
