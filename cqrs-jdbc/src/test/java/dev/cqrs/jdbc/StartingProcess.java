package dev.cqrs.jdbc;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.AppendCondition;
import java.time.Clock;
import java.util.List;
import javax.sql.DataSource;

/** A program that applies the schema and appends an event: what an application does when it starts. */
final class StartingProcess {

    record Started(String process) {}

    static final Catalog CATALOG =
            Catalog.builder().event("started", Started.class).build();

    private StartingProcess() {}

    static void start(DataSource database, String prefix, String name) {
        JdbcSchema.of(prefix).apply(database);
        JdbcEventStore.builder(database, CATALOG, Clock.systemUTC())
                .prefix(prefix)
                .build()
                .append(List.of(new Started(name)), AppendCondition.none());
    }

    /** Arguments: port, database, prefix, name. */
    public static void main(String[] args) {
        start(WritingProcess.source(Integer.parseInt(args[0]), args[1]), args[2], args[3]);
    }
}
