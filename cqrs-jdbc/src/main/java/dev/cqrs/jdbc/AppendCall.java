package dev.cqrs.jdbc;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.jdbc.Pending.Conflict;
import dev.cqrs.jdbc.Pending.Event;
import dev.cqrs.jdbc.Pending.Item;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The call of the function that appends: one statement for any number of appends, its text always the same; and of the
 * shorter one for the most frequent kind of append.
 *
 * <p><b>Threads:</b> immutable.
 */
final class AppendCall {

    private final String many;
    private final String one;

    AppendCall(String prefix) {
        many = "select * from " + prefix + "_append(" + String.join(", ", Collections.nCopies(15, "?")) + ")";
        one = "select * from " + prefix + "_append_one(" + String.join(", ", Collections.nCopies(11, "?")) + ")";
    }

    /**
     * Makes the statement; nothing is sent yet.
     *
     * @param own whether the statement has to be the whole transaction
     */
    PreparedStatement prepare(Connection connection, List<Pending> members, boolean own) throws SQLException {
        boolean single = own && members.size() == 1 && isSingle(members.get(0));
        var statement = connection.prepareStatement(single ? one : many);
        try {
            if (single) {
                bind(statement, members.get(0));
            } else {
                bind(statement, members, own);
            }
            return statement;
        } catch (Throwable thrown) {
            close(statement);
            throw thrown;
        }
    }

    /** One event, and a condition that speaks of one tag at most. */
    private static boolean isSingle(Pending append) {
        return append.events.size() == 1
                && (append.items.isEmpty()
                        || (append.items.size() == 1
                                && append.items.get(0).item().tagCount() == 1));
    }

    private static void bind(PreparedStatement statement, Pending append) throws SQLException {
        var out = new Parameters(statement);
        var event = append.events.get(0);
        out.add(append.now.atOffset(ZoneOffset.UTC));
        out.text(append.metadata);
        out.text(event.name());
        out.add(event.revision());
        out.text(event.tags());
        out.text(event.tagIds());
        out.text(event.json());
        out.bytes(event.bytes());
        var item = append.items.isEmpty() ? null : append.items.get(0);
        out.text(item == null ? null : item.item().tags());
        out.text(item == null ? null : item.item().names());
        out.add(item == null ? 0L : item.after());
    }

    private static void bind(PreparedStatement statement, List<Pending> members, boolean own) throws SQLException {
        var events = new ArrayList<Event>();
        var items = new ArrayList<Item>();
        var eventCounts = new Integer[members.size()];
        var itemCounts = new Integer[members.size()];
        var metadata = new String[members.size()];
        var now = Instant.MIN;
        for (int i = 0; i < members.size(); i++) {
            var member = members.get(i);
            events.addAll(member.events);
            items.addAll(member.items);
            eventCounts[i] = member.events.size();
            itemCounts[i] = member.items.size();
            metadata[i] = member.metadata;
            now = member.now.isAfter(now) ? member.now : now;
        }
        var out = new Parameters(statement);
        out.add(own);
        out.add(now.atOffset(ZoneOffset.UTC));
        out.array("int4", eventCounts);
        out.array("int4", itemCounts);
        out.array("text", metadata);
        out.array("text", texts(events, Event::name));
        out.array("int4", events.stream().map(Event::revision).toArray());
        out.array("text", texts(events, Event::tags));
        out.array("text", texts(events, Event::tagIds));
        out.array("text", texts(events, Event::json));
        out.array("bytea", events.stream().map(Event::bytes).toArray(byte[][]::new));
        out.array("int4", items.stream().map(Item::clause).toArray());
        out.array("int8", items.stream().map(Item::after).toArray());
        out.array("text", texts(items, item -> item.item().tags()));
        out.array("text", texts(items, item -> item.item().names()));
    }

    private static <T> String[] texts(List<T> rows, Function<T, @Nullable String> column) {
        return rows.stream().map(column).toArray(String[]::new);
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

        void text(@Nullable String value) throws SQLException {
            statement.setString(++index, value);
        }

        void bytes(byte @Nullable [] value) throws SQLException {
            statement.setBytes(++index, value);
        }

        void array(String type, Object[] values) throws SQLException {
            statement.setArray(++index, statement.getConnection().createArrayOf(type, values));
        }
    }

    /**
     * Sends the statement and closes it.
     *
     * @return what became of each, in order: {@link Appended} or {@link Conflict}
     * @throws SQLException with the server's code if it has refused; without one if its answer cannot be read
     */
    static List<Object> send(PreparedStatement statement, List<Pending> members) throws SQLException {
        try {
            var rows = statement.executeQuery();
            try {
                return outcomes(rows, members);
            } catch (SQLException unread) { // its code is the driver's, and no refusal
                throw new SQLException("The answer to an append could not be read: " + unread.getMessage(), unread);
            }
        } finally {
            close(statement); // with its rows
        }
    }

    /** What is answered by then does not depend on it. */
    private static void close(PreparedStatement statement) {
        try {
            statement.close();
        } catch (SQLException | RuntimeException ignored) { // whoever gets a broken connection finds out
        }
    }

    private static List<Object> outcomes(ResultSet rows, List<Pending> members) throws SQLException {
        var outcomes = new ArrayList<>(members.size());
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
        return outcomes;
    }
}
