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
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The statements that read the log, a page at a time.
 *
 * <p>Each page is a short statement of its own. As the log only grows, and grows in the order of its positions, all pages
 * up to the head of the first are of the snapshot of the first.
 *
 * <p>The items of a query are looked up one by one in the indexes, each no further than a page reaches, and united; so a
 * page costs what is in it, not what is in the log. However many items there are, the statement is one of a few, and has
 * few parameters.
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

    // ---- the text of the statements, which depends on how items are looked up, not on how many they are

    /** How an item is looked up. All items of a kind are one branch of the statement, with six parameters. */
    private enum Kind {
        TAG,
        NAMES,
        TAG_AND_NAMES,
        TAGS;

        static Kind of(Selection.Item item) {
            if (item.tagCount() > 1) {
                return TAGS;
            }
            if (item.names() == null) {
                return TAG;
            }
            return item.tagCount() == 0 ? NAMES : TAG_AND_NAMES;
        }
    }

    private static boolean isOfAll(Selection selection) {
        for (var item : selection.items()) {
            if (item.tags() == null && item.names() == null) {
                return true;
            }
        }
        return false;
    }

    private static Map<Kind, List<Selection.Item>> branches(Selection selection) {
        var branches = new EnumMap<Kind, List<Selection.Item>>(Kind.class);
        for (var item : selection.items()) {
            branches.computeIfAbsent(Kind.of(item), kind -> new ArrayList<>()).add(item);
        }
        return branches;
    }

    private String sql(Selection selection, boolean backwards) {
        var order = " order by position" + (backwards ? " desc" : "");
        if (isOfAll(selection)) {
            return "select " + COLUMNS + " from " + prefix + "_event e where e.position > ? and e.position <= ?" + order
                    + " limit ?";
        }
        var branches = branches(selection);
        var positions = branches.entrySet().stream()
                .map(branch ->
                        "(" + positions(branch.getKey(), branch.getValue().size() == 1, order) + " limit ?)")
                .collect(Collectors.joining(" union "));
        return "select " + COLUMNS + " from (" + positions + ") p join " + prefix
                + "_event e on e.position = p.position" + order.replace("position", "p.position")
                + (branches.size() > 1 ? " limit ?" : "");
    }

    private String positions(Kind kind, boolean isOne, String order) {
        return (isOne
                        ? "select f.position from (select ?::uuid[] as tags, ?::text[] as names) k"
                        // an event may be found by several, and counts once towards the limit
                        : "select distinct f.position from (select u.tags::uuid[] as tags, u.names::text[] as names"
                                + " from unnest(?::text[], ?::text[]) as u (tags, names)) k")
                + " cross join lateral "
                + switch (kind) {
                    case TAG -> look("_tag x where x.tag = k.tags[1]", order);
                    // one look for each name, so that each is in the order of the index
                    case NAMES ->
                        "unnest(k.names) as n (name) cross join lateral "
                                + look("_event x where x.name = n.name", order);
                    case TAG_AND_NAMES ->
                        "unnest(k.names) as n (name) cross join lateral "
                                + look("_tag x where x.tag = k.tags[1] and x.name = n.name", order);
                    case TAGS ->
                        prefix + "_common(k.tags, k.names, ?, ?, " + order.endsWith("desc") + ", ?) as f (position)";
                }
                + order;
    }

    private String look(String where, String order) {
        return "(select x.position from " + prefix + where + " and x.position > ? and x.position <= ?" + order
                + " limit ?) f";
    }

    private static void bind(PreparedStatement statement, Selection selection, Range range) throws SQLException {
        int i = 0;
        if (isOfAll(selection)) {
            statement.setLong(++i, range.after());
            statement.setLong(++i, range.until());
            statement.setInt(++i, range.most());
            return;
        }
        var branches = branches(selection);
        for (var items : branches.values()) {
            boolean isOne = items.size() == 1;
            statement.setString(++i, isOne ? items.get(0).tags() : written(items, Selection.Item::tags));
            statement.setString(++i, isOne ? items.get(0).names() : written(items, Selection.Item::names));
            statement.setLong(++i, range.after());
            statement.setLong(++i, range.until());
            statement.setInt(++i, range.most());
            statement.setInt(++i, range.most());
        }
        if (branches.size() > 1) {
            statement.setInt(++i, range.most());
        }
    }

    private static String written(List<Selection.Item> items, Function<Selection.Item, @Nullable String> part) {
        return Texts.array(items.stream().map(part));
    }
}
