/** The event store and the checkpoint store on PostgreSQL, through JDBC. */
@SuppressWarnings("requires-automatic") // the driver, which is not needed to run
module dev.cqrs.jdbc {
    requires transitive dev.cqrs.core;
    requires transitive java.sql;
    requires com.fasterxml.jackson.databind;
    requires static org.jspecify;
    requires static org.postgresql.jdbc;

    exports dev.cqrs.jdbc;
}
