package dev.cqrs.jdbc;

import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.jdbc.Pages.Range;
import dev.cqrs.jdbc.Pages.Row;
import dev.cqrs.message.Metadata;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Events that are read a page at a time and decoded one at a time.
 *
 * <p>Between two pages it holds no connection. A stored event that upcasters split is given whole, and counts once towards
 * the limit.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
final class JdbcEventStream implements EventStream {

    private static final int WIDER = 4;

    private final Source source;
    private final EventQuery query;
    private final ReadOptions options;
    private final long head;
    private List<Row> page;
    private boolean lastPage;
    private long reached;
    private long window;
    private int next;
    private @Nullable Row row;
    private List<Object> events = List.of();
    private int event;
    private long left;
    private boolean closed;

    /** Where the stream has its pages from, and what becomes of a row. */
    interface Source {

        /** Gives the rows of a range; fewer than it asks for if there are no more. */
        List<Row> page(Range range);

        /** Gives what a row is today, as far as the query asks for it. */
        List<Object> decode(Row row);

        String nameOf(Object event);

        int pageSize();

        boolean hasManyItems();
    }

    JdbcEventStream(Source source, EventQuery query, ReadOptions options, long head, List<Row> first, int asked) {
        this.source = source;
        this.query = query;
        this.options = options;
        this.head = head;
        this.page = first;
        this.lastPage = first.size() < asked;
        if (!first.isEmpty()) {
            this.reached = behind(first);
            this.window = windowBehind(first);
        }
        this.left = options.limit();
    }

    @Override
    public boolean advance() {
        checkOpen();
        if (++event < events.size()) {
            return true;
        }
        events = List.of();
        event = 0;
        row = null;
        while (left > 0) {
            if (next == page.size()) {
                if (lastPage) {
                    break;
                }
                turnPage();
                continue;
            }
            var read = page.get(next);
            events = inOrder(source.decode(read)); // what cannot be decoded is not passed over
            next++;
            if (!events.isEmpty()) {
                row = read;
                left--;
                return true;
            }
        }
        page = List.of();
        next = 0;
        lastPage = true;
        return false;
    }

    /** Newest first, the parts of a split event come in reverse as well. */
    private List<Object> inOrder(List<Object> parts) {
        if (parts.size() < 2 || !options.isBackwards()) {
            return parts;
        }
        var reversed = new ArrayList<>(parts);
        Collections.reverse(reversed);
        return reversed;
    }

    private void turnPage() {
        int most = source.pageSize(); // also under a limit: nobody knows how many of them are events today
        boolean backwards = options.isBackwards();
        long end =
                backwards ? options.after().value() : Math.min(options.until().value(), head);
        long left = Math.abs(end - reached);
        long step = Math.min(window, left);
        long edge = backwards ? reached - step : reached + step;
        page = source.page(backwards ? new Range(edge, reached, true, most) : new Range(reached, edge, false, most));
        next = 0;
        if (page.size() == most) {
            window = windowBehind(page);
            reached = behind(page);
        } else {
            window = window > Long.MAX_VALUE / WIDER ? Long.MAX_VALUE : window * WIDER;
            reached = edge;
            lastPage = step == left;
        }
    }

    /** Where the next page begins: forwards it is of the events behind that position, backwards of those up to it. */
    private long behind(List<Row> rows) {
        long last = rows.get(rows.size() - 1).position();
        return options.isBackwards() ? last - 1 : last;
    }

    /**
     * Of many items each is looked up as far as the page might reach if it were the only one: nearly all that is found is
     * then left out. So the next page looks no further than it will probably have to, as the last has shown.
     */
    private long windowBehind(List<Row> rows) {
        return source.hasManyItems()
                ? WIDER
                        * (1
                                + Math.abs(rows.get(rows.size() - 1).position()
                                        - rows.get(0).position()))
                : Long.MAX_VALUE;
    }

    @Override
    public Object event() {
        current();
        return events.get(event);
    }

    @Override
    public Position position() {
        return Position.of(current().position());
    }

    @Override
    public boolean goesOnHere() {
        checkOpen();
        return event + 1 < events.size();
    }

    @Override
    public String name() {
        return source.nameOf(event());
    }

    @Override
    public Set<Tag> tags() {
        return current().tags();
    }

    @Override
    public Metadata metadata() {
        return MetadataText.read(current().metadataText());
    }

    @Override
    public Instant recordedAt() {
        return current().recordedAt();
    }

    @Override
    public Position head() {
        checkOpen();
        return Position.of(head);
    }

    @Override
    public AppendCondition unchanged() {
        checkOpen();
        if (options.isCut()) {
            throw new IllegalStateException("A read " + options + " of " + query
                    + " gives no condition: what it left out may matter. Read without limit and until.");
        }
        return AppendCondition.unchanged(query, Position.of(head));
    }

    @Override
    public void close() {
        closed = true;
        page = List.of();
        row = null;
    }

    private Row current() {
        checkOpen();
        if (row == null) {
            throw new IllegalStateException(
                    "The stream of " + query + " stands on no event; expected advance() to have returned true.");
        }
        return row;
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException(
                    "The stream of " + query + " is closed; expected an open one. Read again for another.");
        }
    }
}
