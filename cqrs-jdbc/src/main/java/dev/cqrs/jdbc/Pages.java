package dev.cqrs.jdbc;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.cqrs.event.EventCodec.Stored;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The statements that read the log, a page at a time.
 *
 * <p>Each page is a short statement of its own. As the log only grows, and grows in the order of its positions, all pages
 * up to the head of the first are of the snapshot of the first.
 *
 * <p>The items of a query are looked up one by one in the indexes, each no further than a page reaches, and united; so a
 * page costs what is in it, not what is in the log.
 *
 * <p><b>Threads:</b> immutable.
 */
final class Pages {

    private static final String COLUMNS =
            "e.position, e.recorded_at, e.name, e.revision, e.tags, e.metadata, e.json, e.bytes";

    private final String prefix;
    private final String headSql;

    /** An event as it is stored. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Row(
            long position,
            Instant recordedAt,
            String name,
            int revision,
            String[] tagTexts,
            @Nullable String metadataText,
            byte[] payload) {

        Stored stored() {
            return new Stored(name, revision, payload);
        }

        Set<Tag> tags() {
            return switch (tagTexts.length) {
                case 0 -> Set.of();
                case 1 -> Set.of(Texts.tag(tagTexts[0]));
                default -> java.util.Arrays.stream(tagTexts).map(Texts::tag).collect(Collectors.toUnmodifiableSet());
            };
        }
    }

    /** The part of a query's events that is to be read next. */
    record Range(long after, long until, boolean backwards, int most) {}

    /** What was read; {@code head} is there if it was asked for. */
    record Page(long head, List<Row> rows) {}

    Pages(String prefix) {
        this.prefix = prefix;
        this.headSql = "select coalesce(max(position), 0) from " + prefix + "_event";
    }

    Position head(Connection connection) throws SQLException {
        try (var statement = connection.prepareStatement(headSql);
                var row = statement.executeQuery()) {
            row.next();
            return Position.of(row.getLong(1));
        }
    }

    /** Reads a page and, in the same snapshot, the head of the log. */
    Page first(Connection connection, Selection selection, Range range) throws SQLException {
        var sql = "select l.head, e.* from ("
                + headSql.replace("coalesce(max(position), 0)", "coalesce(max(position), 0) as head")
                + ") l left join (" + sql(selection, range.backwards()) + ") e on true order by e.position"
                + (range.backwards() ? " desc" : "");
        try (var statement = connection.prepareStatement(sql)) {
            bind(statement, selection, range);
            try (var found = statement.executeQuery()) {
                var rows = new ArrayList<Row>();
                long head = 0;
                while (found.next()) {
                    head = found.getLong(1);
                    if (found.getLong(2) != 0) { // there is no such position: a row without an event
                        rows.add(row(found, 1));
                    }
                }
                return new Page(head, rows);
            }
        }
    }

    /** Reads a further page. */
    List<Row> next(Connection connection, Selection selection, Range range) throws SQLException {
        try (var statement = connection.prepareStatement(sql(selection, range.backwards()))) {
            bind(statement, selection, range);
            try (var found = statement.executeQuery()) {
                var rows = new ArrayList<Row>();
                while (found.next()) {
                    rows.add(row(found, 0));
                }
                return rows;
            }
        }
    }

    private static Row row(ResultSet found, int before) throws SQLException {
        var json = found.getString(before + 7);
        return new Row(
                found.getLong(before + 1),
                found.getObject(before + 2, OffsetDateTime.class).toInstant(),
                found.getString(before + 3),
                found.getInt(before + 4),
                (String[]) found.getArray(before + 5).getArray(),
                found.getString(before + 6),
                json != null ? json.getBytes(UTF_8) : found.getBytes(before + 8));
    }

    // ---- the text of the statements, which depends on the kinds of the items alone

    private String sql(Selection selection, boolean backwards) {
        var order = " order by position" + (backwards ? " desc" : "");
        var items = selection.items();
        for (var item : items) {
            if (item.tags() == null && item.names() == null) {
                return "select " + COLUMNS + " from " + prefix + "_event e where e.position > ? and e.position <= ?"
                        + order + " limit ?";
            }
        }
        var positions = items.stream()
                .map(item -> "(" + positions(item, backwards) + order + " limit ?)")
                .collect(Collectors.joining(" union "));
        return "select " + COLUMNS + " from (" + positions + ") p join " + prefix
                + "_event e on e.position = p.position" + order.replace("position", "p.position")
                + (items.size() > 1 ? " limit ?" : "");
    }

    private String positions(Selection.Item item, boolean backwards) {
        var range = ".position > ? and %s.position <= ?";
        if (item.tagCount() > 1) {
            return "select position from " + prefix + "_common(?::uuid[], ?::text[], ?, ?, " + backwards
                    + ", ?) as position";
        }
        if (item.names() == null) {
            return "select t.position from " + prefix + "_tag t where t.tag = (?::uuid[])[1] and t"
                    + range.formatted("t");
        }
        // one look for each name, so that each is in the order of the index
        return "select f.position from unnest(?::text[]) as n (name) cross join lateral (select x.position from "
                + prefix + (item.tagCount() == 0 ? "_event x where " : "_tag x where x.tag = (?::uuid[])[1] and ")
                + "x.name = n.name and x" + range.formatted("x") + " order by x.position"
                + (backwards ? " desc" : "") + " limit ?) f";
    }

    private static void bind(PreparedStatement statement, Selection selection, Range range) throws SQLException {
        int i = 0;
        for (var item : selection.items()) {
            if (item.tags() == null && item.names() == null) {
                statement.setLong(1, range.after());
                statement.setLong(2, range.until());
                statement.setInt(3, range.most());
                return;
            }
        }
        for (var item : selection.items()) {
            if (item.tagCount() > 1) {
                statement.setString(++i, item.tags());
                statement.setString(++i, item.names());
            } else {
                if (item.names() != null) {
                    statement.setString(++i, item.names());
                }
                if (item.tags() != null) {
                    statement.setString(++i, item.tags());
                }
            }
            statement.setLong(++i, range.after());
            statement.setLong(++i, range.until());
            statement.setInt(++i, range.most());
            if (item.tagCount() > 1 || item.names() != null) {
                statement.setInt(++i, range.most());
            }
        }
        if (selection.items().size() > 1) {
            statement.setInt(++i, range.most());
        }
    }
}
