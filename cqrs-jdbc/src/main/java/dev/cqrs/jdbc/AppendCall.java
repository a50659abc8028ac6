package dev.cqrs.jdbc;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.jdbc.Pending.Conflict;
import dev.cqrs.jdbc.Pending.Event;
import dev.cqrs.jdbc.Pending.Item;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;

/**
 * The call of the function that appends: one statement for any number of appends, its text always the same.
 *
 * <p><b>Threads:</b> immutable.
 */
final class AppendCall {

    private final String sql;

    AppendCall(String prefix) {
        this.sql = "select * from " + prefix + "_append(" + String.join(", ", Collections.nCopies(17, "?")) + ")";
    }

    /**
     * Makes the statement; nothing is sent yet.
     *
     * @param own whether the statement has to be the whole transaction
     */
    PreparedStatement prepare(Connection connection, List<Pending> members, boolean own) throws SQLException {
        var statement = connection.prepareStatement(sql);
        try {
            bind(statement, members, own);
            return statement;
        } catch (Throwable thrown) {
            statement.close();
            throw thrown;
        }
    }

    private static void bind(PreparedStatement statement, List<Pending> members, boolean own) throws SQLException {
        var sizes = new Integer[members.size()];
        var metadata = new String[members.size()];
        var now = Instant.MIN;
        var eventMembers = new ArrayList<Integer>();
        var offsets = new ArrayList<Integer>();
        var events = new ArrayList<Event>();
        var itemMembers = new ArrayList<Integer>();
        var items = new ArrayList<Item>();
        for (int i = 0; i < members.size(); i++) {
            var member = members.get(i);
            sizes[i] = member.events.size();
            metadata[i] = member.metadata;
            now = member.now.isAfter(now) ? member.now : now;
            for (int offset = 0; offset < member.events.size(); offset++) {
                eventMembers.add(i + 1);
                offsets.add(offset);
            }
            events.addAll(member.events);
            itemMembers.addAll(Collections.nCopies(member.items.size(), i + 1));
            items.addAll(member.items);
        }
        var out = new Parameters(statement);
        out.add(own);
        out.add(now.atOffset(ZoneOffset.UTC));
        out.array("int4", sizes);
        out.array("text", metadata);
        out.array("int4", eventMembers.toArray());
        out.array("int4", offsets.toArray());
        out.array("text", column(events, Event::name));
        out.array("int4", column(events, Event::revision));
        out.array(
                "text",
                column(events, event -> Texts.array(event.tags().stream().map(Object::toString))));
        out.array("text", column(events, event -> Texts.ids(event.tags())));
        out.array("text", column(events, Event::json));
        out.array("bytea", events.stream().map(Event::bytes).toArray(byte[][]::new));
        out.array("int4", itemMembers.toArray());
        out.array("int4", column(items, Item::clause));
        out.array("int8", column(items, Item::after));
        out.array("text", column(items, item -> item.item().tags()));
        out.array("text", column(items, item -> item.item().names()));
    }

    private static <T> Object[] column(List<T> rows, Function<T, ?> column) {
        return rows.stream().map(column).toArray();
    }

    private static final class Parameters {

        private final PreparedStatement statement;
        private int index;

        Parameters(PreparedStatement statement) {
            this.statement = statement;
        }

        void add(Object value) throws SQLException {
            statement.setObject(++index, value);
        }

        void array(String type, Object[] values) throws SQLException {
            statement.setArray(++index, statement.getConnection().createArrayOf(type, values));
        }
    }

    /**
     * Sends the statement.
     *
     * @return what became of each, in order: {@link Appended} or {@link Conflict}
     */
    static List<Object> send(PreparedStatement statement, List<Pending> members) throws SQLException {
        var outcomes = new ArrayList<>(members.size());
        try (var rows = statement.executeQuery()) {
            for (var member : members) {
                if (!rows.next()) {
                    throw new SQLException("The function that appends gave no row for an append.");
                }
                long position = rows.getLong(1);
                int clause = rows.getInt(2);
                outcomes.add(
                        rows.wasNull()
                                ? new Appended(Position.of(position), Position.of(position + member.events.size() - 1))
                                : new Conflict(clause, position, rows.getLong(3), rows.getString(4), rows.getInt(5)));
            }
        }
        return outcomes;
    }
}
