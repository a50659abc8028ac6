package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Ledger.Deposited;
import dev.cqrs.benchmarks.Ledger.Entry;
import dev.cqrs.benchmarks.Ledger.Withdrawn;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.axonframework.commandhandling.CommandBus;
import org.axonframework.commandhandling.CommandCallback;
import org.axonframework.commandhandling.CommandMessage;
import org.axonframework.commandhandling.CommandResultMessage;
import org.axonframework.commandhandling.GenericCommandMessage;
import org.axonframework.commandhandling.SimpleCommandBus;
import org.axonframework.eventhandling.DomainEventMessage;
import org.axonframework.eventhandling.GenericDomainEventMessage;
import org.axonframework.eventsourcing.EventSourcingHandler;
import org.axonframework.eventsourcing.EventSourcingRepository;
import org.axonframework.eventsourcing.eventstore.EmbeddedEventStore;
import org.axonframework.eventsourcing.eventstore.inmemory.InMemoryEventStorageEngine;
import org.axonframework.messaging.MetaData;
import org.axonframework.modelling.command.AggregateIdentifier;
import org.axonframework.modelling.command.AggregateLifecycle;
import org.axonframework.modelling.command.Repository;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** {@link Deciding} with Axon 4. */
public class DeciderBenchmark extends Deciding {

    /** Fewer, as each takes long. */
    static final int FEW_OPERATIONS = 400;

    /** An event-sourced aggregate, with Axon's annotations for its events. */
    public static final class Aggregate {

        @AggregateIdentifier
        private String id;

        private long balance;

        Aggregate() {}

        long withdraw(Withdraw command) {
            if (command.amount() > balance) {
                throw new IllegalStateException("the balance is " + balance);
            }
            AggregateLifecycle.apply(new Withdrawn(command.account(), command.branch(), command.amount()));
            return balance;
        }

        @EventSourcingHandler
        void on(Deposited event) {
            id = event.account();
            balance += event.amount();
        }

        @EventSourcingHandler
        void on(Withdrawn event) {
            id = event.account();
            balance -= event.amount();
        }
    }

    /**
     * The simple command bus as {@link AxonBuses} have it, with a handler that loads the aggregate from an event-sourcing
     * repository over the event store and engine in memory; neither cache nor snapshots. Unlike ours, the engine has no
     * index, so that it passes over all the accounts' events to load one.
     */
    @State(Scope.Benchmark)
    public static class Axon4 extends Subject {

        private static final Instant TIME = Instant.parse("2026-11-01T00:00:00Z");

        private CommandBus bus = SimpleCommandBus.builder().build();
        private final Balance balance = new Balance();

        /** Compiles. */
        @Setup
        public void prepare(Work work) {
            warmUp(work, FEW_OPERATIONS);
        }

        @Override
        void open() {
            var histories = new HashMap<String, List<DomainEventMessage<?>>>();
            for (var event : work.events) {
                var history = histories.computeIfAbsent(event.account(), account -> new ArrayList<>());
                history.add(message(event, history.size()));
            }
            var repositories = repositories(histories);
            bus = SimpleCommandBus.builder().build();
            bus.subscribe(Withdraw.class.getName(), message -> {
                var command = (Withdraw) message.getPayload();
                return repositories
                        .get(command.account())
                        .load(command.account())
                        .invoke(account -> account.withdraw(command));
            });
        }

        /** The repository that each account is loaded from: one for all of them. */
        Map<String, Repository<Aggregate>> repositories(Map<String, List<DomainEventMessage<?>>> histories) {
            var engine = new InMemoryEventStorageEngine();
            histories.values().forEach(engine::appendEvents);
            var one = repository(engine);
            var repositories = new HashMap<String, Repository<Aggregate>>();
            histories.keySet().forEach(account -> repositories.put(account, one));
            return repositories;
        }

        static Repository<Aggregate> repository(InMemoryEventStorageEngine engine) {
            return EventSourcingRepository.builder(Aggregate.class)
                    .eventStore(
                            EmbeddedEventStore.builder().storageEngine(engine).build())
                    .build();
        }

        private static DomainEventMessage<Entry> message(Entry event, int sequence) {
            return new GenericDomainEventMessage<>(
                    "Aggregate", event.account(), sequence, event, MetaData.emptyInstance(), "fixed id", TIME);
        }

        @Override
        long withdraw(Withdraw command) {
            bus.dispatch(new GenericCommandMessage<>(command), balance);
            return balance.last;
        }
    }

    /** The kindest case for Axon 4: an engine for each account, so that it passes over no other account's events. */
    @State(Scope.Benchmark)
    public static class Axon4Apart extends Axon4 {

        @Override
        Map<String, Repository<Aggregate>> repositories(Map<String, List<DomainEventMessage<?>>> histories) {
            var repositories = new HashMap<String, Repository<Aggregate>>();
            histories.forEach((account, history) -> {
                var engine = new InMemoryEventStorageEngine();
                engine.appendEvents(history);
                repositories.put(account, repository(engine));
            });
            return repositories;
        }
    }

    /** One callback for all commands, called on the sending thread. */
    private static final class Balance implements CommandCallback<Withdraw, Long> {
        private long last;

        @Override
        public void onResult(CommandMessage<? extends Withdraw> command, CommandResultMessage<? extends Long> result) {
            last = result.getPayload();
        }
    }

    /** Axon 4. */
    @Benchmark
    @OperationsPerInvocation(FEW_OPERATIONS)
    public long axon4(Axon4 peer) {
        return peer.run(FEW_OPERATIONS);
    }

    /** Axon 4 where each account has an engine of its own. */
    @Benchmark
    @OperationsPerInvocation(FEW_OPERATIONS)
    public long axon4Apart(Axon4Apart peer) {
        return peer.run(FEW_OPERATIONS);
    }
}
