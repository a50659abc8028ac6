package dev.cqrs.examples.schedule;

import static dev.cqrs.decider.Decision.accept;
import static dev.cqrs.decider.Decision.reject;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.jdbc.JdbcEventStore;
import dev.cqrs.message.Done;
import dev.cqrs.schedule.CommandSchedule;
import java.time.Clock;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/** Parcels of customers, packed in the order in which they were ordered: the command, the event, and the two logs. */
final class Parcels {

    /** With what the names of the tables of the two logs begin. */
    static final String DOMAIN = "parcels";

    static final String OPERATIONS = "parcels_operations";

    /** Packs the next parcel of a customer. */
    record Pack(String customer, int number) implements Command<Done> {}

    /** A parcel was packed. */
    record Packed(String customer, int number) {}

    private static final Fold<Integer> LAST = Fold.from(0).on(Packed.class, (last, e) -> e.number());

    private Parcels() {}

    static Tag customer(String name) {
        return Tag.of("customer", name);
    }

    /** The log of what happened. */
    static EventStore domain(DataSource database) {
        var catalog = Catalog.builder()
                .event("packed", Packed.class, e -> Set.of(customer(e.customer())))
                .commandIds()
                .build();
        return JdbcEventStore.builder(database, catalog, Clock.systemUTC())
                .prefix(DOMAIN)
                .build();
    }

    /** The log of what is to be done, which tells of the appends of other processes. */
    static JdbcEventStore operations(DataSource database, Executor executor) {
        var catalog = CommandSchedule.catalog(Catalog.builder())
                .event("pack", Pack.class)
                .build();
        return JdbcEventStore.builder(database, catalog, Clock.systemUTC())
                .prefix(OPERATIONS)
                .follow(executor, Duration.ofSeconds(1), Throwable::printStackTrace)
                .build();
    }

    /** The same in all processes: parcels of one customer are packed in their order. */
    static CommandSchedule schedule(EventStore operations) {
        return CommandSchedule.builder(operations, Clock.systemUTC())
                .key(Pack.class, Pack::customer)
                .claim(Duration.ofSeconds(2)) // so long a customer waits if a worker dies
                .build();
    }

    /** Packs each parcel once, however often it is told to, and none before the one that comes before it. */
    static CommandBus bus(EventStore domain) {
        var packing = new DecisionHandler<Pack, Integer, Done>(
                        domain,
                        c -> DecisionModel.of(
                                EventQuery.tagged(customer(c.customer())).withTypes(Packed.class), LAST),
                        (c, last) -> c.number() == last + 1
                                ? accept(new Packed(c.customer(), c.number()))
                                : reject("the last parcel was " + last),
                        (c, last) -> Done.DONE)
                .idempotent();
        return InMemoryCommandBus.builder()
                .handle(Pack.class, (command, metadata) -> {
                    TimeUnit.MILLISECONDS.sleep(10); // folding the box
                    return packing.handle(command, metadata);
                })
                .build();
    }

    static HikariDataSource connect(String url) {
        var config = new HikariConfig();
        config.setJdbcUrl(url);
        config.setMaximumPoolSize(8);
        return new HikariDataSource(config);
    }
}
