package dev.cqrs.contract;

import static dev.cqrs.contract.CampusEvent.CATALOG;
import static dev.cqrs.contract.CampusEvent.course;
import static dev.cqrs.contract.CampusEvent.student;
import static dev.cqrs.contract.Nulls.noMetadata;
import static dev.cqrs.contract.Nulls.nullOf;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cqrs.contract.CampusEvent.CourseClosed;
import dev.cqrs.contract.CampusEvent.CourseEvent;
import dev.cqrs.contract.CampusEvent.CourseOpened;
import dev.cqrs.contract.CampusEvent.CourseRenamed;
import dev.cqrs.contract.CampusEvent.Enrolment;
import dev.cqrs.contract.CampusEvent.Subscribed;
import dev.cqrs.contract.CampusEvent.TermBegan;
import dev.cqrs.contract.CampusEvent.Unsubscribed;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.ConcurrentModificationException;
import java.util.HashSet;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/**
 * What every {@link EventStore} must do, as tests: extend it and say how your store is made.
 *
 * <pre>{@code
 * class MyEventStoreContractTest extends EventStoreContract {
 *     @Override
 *     protected EventStore emptyStore(Catalog catalog, Clock clock) {
 *         return new MyEventStore(catalog, clock);
 *     }
 * }
 * }</pre>
 *
 * <p>Between two appends positions may be left out, within one they may not. The events are records of numbers and
 * strings; their times are whole milliseconds. The randomised tests have fixed seeds; the system property
 * {@code dev.cqrs.contract.seed} replaces them by one of your choice.
 *
 * <p><b>Threads:</b> JUnit makes an instance for each test.
 */
public abstract class EventStoreContract {

    private static final Instant START_OF_TERM = Instant.parse("2026-09-01T08:00:00Z");
    private static final EventQuery MATHS = EventQuery.tagged(course("maths"));
    private static final EventQuery LATIN = EventQuery.tagged(course("latin"));
    private static final EventQuery ADA = EventQuery.tagged(student("ada"));
    private static final EventQuery EVE = EventQuery.tagged(student("eve"));

    /** The log of most tests, appended in three parts. */
    private static final List<CampusEvent> TERM = List.of(
            new TermBegan(2026),
            //
            new CourseOpened("maths", 3),
            new CourseOpened("latin", 2),
            new Subscribed("maths", "ada"),
            //
            new Subscribed("latin", "ada"),
            new Subscribed("maths", "bob"),
            new Unsubscribed("maths", "ada"),
            new CourseClosed("latin"));

    /** An event with a tag for each character of a text: the character and where it stands. */
    record Marked(String marks) {}

    private static final Catalog MARKS = Catalog.builder()
            .event("marked", Marked.class, event -> marks(event.marks()))
            .event("term-began", TermBegan.class)
            .build();

    /** Each text of four digits 0 and 1. */
    private static final List<String> FOUR_MARKS = IntStream.range(16, 32)
            .mapToObj(number -> Integer.toBinaryString(number).substring(1))
            .toList();

    /** Each text of three or four digits 0 and 1 at four places; a dot stands where there is none. */
    private static final List<String> THREE_OR_FOUR_MARKS = FOUR_MARKS.stream()
            .flatMap(marks -> Stream.concat(
                    Stream.of(marks),
                    IntStream.range(0, 4).mapToObj(i -> marks.substring(0, i) + "." + marks.substring(i + 1))))
            .distinct()
            .toList();

    private static final int MANY_ITEMS = 300;

    private static final int THOUSANDS = 6_000;

    private final HandClock clock = new HandClock(START_OF_TERM);
    private final List<Position> positions = new ArrayList<>();
    private EventStore store;

    /** For the tests of implementations. */
    protected EventStoreContract() {}

    /**
     * Makes a new store without events.
     *
     * @param catalog the events it may hold
     * @param clock tells when an event is recorded; it may go back
     * @return the store to be tested
     */
    protected abstract EventStore emptyStore(Catalog catalog, Clock clock);

    @BeforeEach
    void open_an_empty_store() {
        store = emptyStore(CATALOG, clock);
    }

    // ------------------------------------------------------------------------------------------------- appending

    @Test
    void an_empty_store_has_its_catalog_no_events_and_no_head() {
        assertSame(CATALOG, store.catalog());
        assertEquals(Position.START, store.head());
        assertEquals(List.of(), events(EventQuery.all()));
        assertEquals(List.of(), events(MATHS));
        assertEquals(List.of(), events(EventQuery.all(), ReadOptions.backwards()));
        try (var stream = store.read(EventQuery.all())) {
            assertEquals(Position.START, stream.head());
        }
        assertStillWorks();
    }

    @Test
    void what_was_appended_stands_for_good() {
        assertTrue(store.isCommitted(Position.START));
        for (var event : TERM) {
            var appended = store.append(List.of(event), AppendCondition.none());

            assertTrue(store.isCommitted(appended.last()), appended::toString);
            assertTrue(store.isCommitted(store.head()), appended::toString);
        }
        assertEquals(TERM, events(EventQuery.all()));
    }

    @Test
    void the_first_position_is_1() {
        var appended = store.append(List.of(new TermBegan(2026)), AppendCondition.none());

        assertEquals(new Appended(Position.of(1), Position.of(1)), appended);
        assertEquals(Position.of(1), store.head());
    }

    @Test
    void events_of_one_append_stand_next_to_each_other_from_first_to_last() {
        store.append(List.of(new TermBegan(2025)), AppendCondition.none());

        var appended = store.append(TERM, AppendCondition.none());

        assertEquals(
                LongStream.range(0, TERM.size())
                        .mapToObj(i -> Position.of(appended.first().value() + i))
                        .toList(),
                log().stream().skip(1).map(RecordedEvent::position).toList());
        assertEquals(appended.first().value() + TERM.size() - 1, appended.last().value());
        assertTrue(appended.first().isAfter(Position.of(1)));
        assertEquals(appended.last(), store.head());
    }

    @Test
    void positions_ascend_from_append_to_append() {
        var last = Position.START;
        for (int i = 1; i <= 50; i++) {
            var appended = store.append(Collections.nCopies(i % 3 + 1, new TermBegan(i)), AppendCondition.none());

            assertTrue(appended.first().isAfter(last), appended + " comes after " + last);
            assertEquals(i % 3, appended.last().value() - appended.first().value());
            assertEquals(appended.last(), store.head());
            last = appended.last();
        }
    }

    @Test
    void events_are_read_as_they_were_appended() {
        givenTheTerm();

        assertEquals(TERM, events(EventQuery.all()));
    }

    @Test
    void equal_events_are_events_of_their_own() {
        var twice = List.of(new TermBegan(1), new TermBegan(1));

        store.append(twice, AppendCondition.none());
        store.append(twice, AppendCondition.none());

        assertEquals(Collections.nCopies(4, new TermBegan(1)), events(EventQuery.all()));
    }

    @Test
    void an_event_is_read_with_the_name_and_the_tags_of_the_catalog() {
        givenTheTerm();

        assertEquals(
                List.of(
                        "term-began",
                        "course-opened",
                        "course-opened",
                        "student-subscribed",
                        "student-subscribed",
                        "student-subscribed",
                        "student-unsubscribed",
                        "course-closed"),
                log().stream().map(RecordedEvent::name).toList());
        assertEquals(Set.of(), log().get(0).tags());
        assertEquals(Set.of(course("maths")), log().get(1).tags());
        assertEquals(Set.of(course("latin"), student("ada")), log().get(4).tags());
    }

    @Test
    void metadata_is_kept_with_each_event_of_the_append() {
        var metadata = Metadata.withId("m-1").with("tenant", "blau & grün").with("empty", "");

        store.append(List.of(new TermBegan(1), new TermBegan(2)), AppendCondition.none(), metadata);
        store.append(List.of(new TermBegan(3)), AppendCondition.none());
        store.append(List.of(new TermBegan(4)), AppendCondition.none(), Metadata.withId("m-2"));

        assertEquals(
                List.of(metadata, metadata, Metadata.none(), Metadata.withId("m-2")),
                log().stream().map(RecordedEvent::metadata).toList());
    }

    @Test
    void events_are_recorded_at_the_time_of_the_clock() {
        store.append(List.of(new TermBegan(1), new TermBegan(2)), AppendCondition.none());
        clock.move(Duration.ofMillis(1_234));
        store.append(List.of(new TermBegan(3)), AppendCondition.none());

        assertEquals(
                List.of(START_OF_TERM, START_OF_TERM, START_OF_TERM.plusMillis(1_234)),
                log().stream().map(RecordedEvent::recordedAt).toList());
    }

    @Test
    void the_time_of_recording_stands_still_while_the_clock_lags_behind() {
        store.append(List.of(new TermBegan(1)), AppendCondition.none());
        clock.move(Duration.ofHours(-1));
        store.append(List.of(new TermBegan(2)), AppendCondition.none());
        clock.move(Duration.ofMinutes(30));
        store.append(List.of(new TermBegan(3)), AppendCondition.none());
        clock.move(Duration.ofHours(1));
        store.append(List.of(new TermBegan(4)), AppendCondition.none());

        assertEquals(
                List.of(START_OF_TERM, START_OF_TERM, START_OF_TERM, START_OF_TERM.plus(Duration.ofMinutes(30))),
                log().stream().map(RecordedEvent::recordedAt).toList());
    }

    /** What is read many at a time is what is read one by one, whichever way there is. */
    @Test
    void many_events_at_a_time_are_those_of_one_by_one_by_arrays_runs_and_feeds() {
        // given
        for (int batch = 0; batch < 40; batch++) {
            int number = batch;
            store.append(
                    IntStream.range(0, batch % 9 + 1)
                            .<CampusEvent>mapToObj(i ->
                                    i % 3 == 0 ? new TermBegan(number) : new Subscribed("c" + i % 4, "s" + number % 5))
                            .toList(),
                    AppendCondition.none());
        }
        var head = store.head();
        for (var query : List.of(
                EventQuery.all(),
                EventQuery.types(CampusEvent.class),
                EventQuery.types(Subscribed.class),
                EventQuery.tagged(course("c1")),
                EventQuery.tagged(course("c2"), student("s3")).or(EventQuery.types(TermBegan.class)),
                EventQuery.tagged(course("nobody")))) {
            for (var bounds : new long[][] {{0, head.value()}, {7, 100}, {99, 101}, {head.value() - 1, head.value()}}) {
                var options =
                        ReadOptions.forwards().after(Position.of(bounds[0])).until(Position.of(bounds[1]));
                List<RecordedEvent> expected;
                try (var stream = store.read(query, options)) {
                    expected = stream.toList();
                }

                // then
                assertEquals(expected, inArrays(query, options), () -> "arrays of " + query + " " + options);
                assertEquals(expected, byRuns(query, options), () -> "runs of " + query + " " + options);
                store.feed(query)
                        .ifPresent(feed -> assertEquals(
                                placed(expected), fed(feed, options), () -> "feed of " + query + " " + options));
            }
        }
        assertEquals(head, store.head());
        assertTrue(head.value() > 150);
    }

    private List<RecordedEvent> inArrays(EventQuery query, ReadOptions options) {
        var events = new Object[7];
        var positions = new long[7];
        var found = new ArrayList<RecordedEvent>();
        try (var stream = store.read(query, options)) {
            for (int count = stream.advance(events, positions); count > 0; count = stream.advance(events, positions)) {
                if (count == events.length) {
                    assertEquals(events[count - 1], stream.recorded().event());
                    assertEquals(positions[count - 1], stream.position().value());
                }
                for (int i = 0; i < count; i++) {
                    try (var one = store.read(
                            EventQuery.all(),
                            ReadOptions.forwards()
                                    .after(Position.of(positions[i] - 1))
                                    .until(Position.of(positions[i])))) {
                        found.add(one.toList().get(0));
                    }
                    assertEquals(found.get(found.size() - 1).event(), events[i]);
                }
            }
            assertFalse(stream.advance());
        }
        return found;
    }

    /** Each step throws once, so that every event shows where the stream stands then. */
    private List<RecordedEvent> byRuns(EventQuery query, ReadOptions options) {
        var found = new ArrayList<RecordedEvent>();
        var failing = Fold.<List<Object>>fresh(ArrayList::new).change(CampusEvent.class, (list, event) -> {
            throw new IllegalStateException("step");
        });
        try (var stream = store.read(query, options)) {
            var run = failing.run(failing.initial());
            while (true) {
                try {
                    assertEquals(0, stream.fold(run));
                    break;
                } catch (IllegalStateException thrown) {
                    assertTrue(run.hasThrown(thrown));
                    found.add(stream.recorded());
                }
            }
        }
        try (var stream = store.read(query, options)) {
            var all = Fold.<List<Object>>fresh(ArrayList::new).change(CampusEvent.class, List::add);
            var run = all.run(all.initial());
            assertEquals(found.size(), stream.fold(run));
            assertEquals(found.stream().map(RecordedEvent::event).toList(), run.state());
        }
        return found;
    }

    /** What a feed tells of an event. */
    private record Placed(long position, Object event) {}

    private static List<Placed> placed(List<RecordedEvent> events) {
        return events.stream()
                .map(event -> new Placed(event.position().value(), event.event()))
                .toList();
    }

    private static List<Placed> fed(EventStore.Feed feed, ReadOptions options) {
        var found = new ArrayList<Placed>();
        var after = options.after();
        while (true) {
            var events = new Object[6];
            var positions = new long[6];
            int count = feed.read(after, options.until(), events, positions);
            for (int i = 0; i < count; i++) {
                found.add(new Placed(positions[i], events[i]));
            }
            if (count < events.length) {
                return found;
            }
            assertTrue(positions[count - 1] > after.value(), "a feed gives what comes after " + after);
            after = Position.of(positions[count - 1]);
        }
    }

    @Test
    void a_feed_that_was_made_before_the_events_gives_each_after_its_append() {
        // given
        var queries = List.of(
                EventQuery.all(),
                EventQuery.types(Enrolment.class),
                MATHS,
                EVE,
                EventQuery.tagged(course("maths"), student("ada")),
                LATIN.or(EventQuery.types(TermBegan.class)));
        var feeds = queries.stream().map(query -> store.feed(query)).toList();

        for (var event : TERM) {
            // when
            var before = store.head();
            var appended = store.append(List.of(event, event), AppendCondition.none());

            // then
            for (int i = 0; i < queries.size(); i++) {
                var query = queries.get(i);
                for (var options : List.of(
                        ReadOptions.forwards().after(before).until(appended.last()),
                        ReadOptions.forwards().until(appended.last()),
                        ReadOptions.forwards().until(before))) {
                    try (var stream = store.read(query, options)) {
                        var expected = placed(stream.toList());
                        feeds.get(i)
                                .ifPresent(feed -> assertEquals(
                                        expected, fed(feed, options), () -> "feed of " + query + " " + options));
                    }
                }
            }
        }
        assertEquals(TERM.size() * 2, events(EventQuery.all()).size());
    }

    @Test
    void a_long_log_is_read_whole_and_in_parts() {
        // given
        int batches = 60;
        var expected = new ArrayList<CampusEvent>();
        for (int batch = 0; batch < batches; batch++) {
            int number = batch;
            var events = IntStream.range(0, batch * 3 + 1)
                    .<CampusEvent>mapToObj(i -> new Subscribed("c" + i % 7, "s" + number))
                    .toList();
            expected.addAll(events);
            store.append(events, AppendCondition.none());
        }

        // then
        assertEquals(expected, events(EventQuery.all()));
        var reversed = new ArrayList<>(expected);
        Collections.reverse(reversed);
        assertEquals(reversed, events(EventQuery.all(), ReadOptions.backwards()));
        for (var course : List.of("c0", "c3", "c6")) {
            assertEquals(
                    expected.stream()
                            .filter(event -> ((Subscribed) event).course().equals(course))
                            .toList(),
                    events(EventQuery.tagged(course(course))));
        }
        assertEquals(
                expected.stream()
                        .filter(event -> ((Subscribed) event).student().equals("s59"))
                        .toList(),
                events(EventQuery.tagged(student("s59"))));
        assertEquals(1, events(EventQuery.tagged(course("c5"), student("s2"))).size());
    }

    @Test
    void one_append_may_hold_thousands_of_events() {
        var many = IntStream.range(0, 5_000)
                .mapToObj(i -> new Subscribed("c", "s" + i % 10))
                .toList();

        var appended = store.append(many, AppendCondition.absent(EventQuery.all()));

        assertEquals(new Appended(Position.of(1), Position.of(5_000)), appended);
        assertEquals(many, events(EventQuery.all()));
        assertEquals(500, events(EventQuery.tagged(student("s7"))).size());
    }

    @Test
    void a_read_of_more_than_ten_thousand_events_gives_all_that_were_asked_for() {
        // given
        var expected = givenALongLog();
        var reversed = new ArrayList<>(expected);
        Collections.reverse(reversed);
        int limit = 11_000;
        var list = Fold.<List<Object>>fresh(ArrayList::new).change(CampusEvent.class, List::add);

        // then
        assertEquals(expected, events(EventQuery.all()));
        try (var stream = store.read(EventQuery.types(CampusEvent.class), ReadOptions.backwards())) {
            assertEquals(reversed, stream.fold(list));
        }
        try (var stream = store.read(EventQuery.all(), ReadOptions.backwards().limit(limit))) {
            var events = new Object[expected.size()];
            int count = stream.advance(events, new long[events.length]);
            assertEquals(reversed.subList(0, limit), Arrays.asList(events).subList(0, count));
        }
    }

    // ------------------------------------------------------------------------------------------------- queries

    @Test
    void a_query_for_a_type_gives_the_events_of_that_type() {
        givenTheTerm();

        assertReads(EventQuery.types(CourseOpened.class), 2, 3);
        assertReads(EventQuery.types(TermBegan.class), 1);
    }

    @Test
    void a_query_for_several_types_gives_the_events_of_any_of_them() {
        givenTheTerm();

        assertReads(EventQuery.types(TermBegan.class, CourseClosed.class, Unsubscribed.class), 1, 7, 8);
    }

    @Test
    void a_query_for_a_type_above_others_gives_the_events_of_all_below() {
        givenTheTerm();

        assertReads(EventQuery.types(Enrolment.class), 4, 5, 6, 7);
        assertReads(EventQuery.types(CourseEvent.class), 2, 3, 4, 5, 6, 7, 8);
        assertReads(EventQuery.types(CampusEvent.class), 1, 2, 3, 4, 5, 6, 7, 8);
        assertReads(EventQuery.types(Record.class), 1, 2, 3, 4, 5, 6, 7, 8);
        assertReads(EventQuery.types(Object.class), 1, 2, 3, 4, 5, 6, 7, 8);
        assertReads(EventQuery.types(Enrolment.class, Subscribed.class, TermBegan.class), 1, 4, 5, 6, 7);
    }

    @Test
    void a_query_for_a_tag_gives_the_events_that_have_it() {
        givenTheTerm();

        assertReads(MATHS, 2, 4, 6, 7);
        assertReads(ADA, 4, 5, 7);
        assertReads(EVE);
    }

    @Test
    void a_query_for_several_tags_gives_the_events_that_have_all_of_them() {
        givenTheTerm();

        assertReads(EventQuery.tagged(course("maths"), student("ada")), 4, 7);
        assertReads(EventQuery.tagged(student("ada"), course("latin")), 5);
        assertReads(EventQuery.tagged(course("maths"), course("latin")));
        assertReads(EventQuery.tagged(course("maths"), student("eve")));
    }

    @Test
    void a_query_for_three_and_more_tags_gives_the_events_that_have_all_of_them() {
        // given
        var events = givenMarks();
        var many = "a".repeat(20);
        store.append(List.of(new Marked(many)), AppendCondition.none());

        // then
        for (var pattern : THREE_OR_FOUR_MARKS) {
            var expected = new ArrayList<Object>(events);
            expected.removeIf(event -> !((Marked) event).marks().matches(pattern));
            assertEquals(expected, events(marked(pattern)), pattern);
            Collections.reverse(expected);
            assertEquals(expected, events(marked(pattern), ReadOptions.backwards()), pattern);
        }
        assertEquals(List.of(new Marked(many)), events(marked(many)));
        for (int wrong = 0; wrong < many.length(); wrong++) {
            assertEquals(List.of(), events(marked(allButOne(many, wrong))), "all tags but number " + wrong);
        }
    }

    @Test
    void a_query_for_types_and_tags_gives_the_events_that_fit_both() {
        givenTheTerm();

        assertReads(EventQuery.types(Subscribed.class, CourseOpened.class).withTags(course("maths")), 2, 4, 6);
        assertReads(EventQuery.types(Enrolment.class).withTags(course("maths"), student("ada")), 4, 7);
        assertReads(EventQuery.types(Subscribed.class).withTags(course("maths"), student("ada")), 4);
        assertReads(EventQuery.types(TermBegan.class).withTags(course("maths")));
    }

    @Test
    void a_query_of_several_items_gives_the_events_that_fit_any_each_once() {
        givenTheTerm();

        assertReads(ADA.or(LATIN), 3, 4, 5, 7, 8);
        assertReads(LATIN.or(EventQuery.types(Subscribed.class).withTags(student("bob"))), 3, 5, 6, 8);
        assertReads(MATHS.or(ADA).or(EventQuery.types(CourseEvent.class)), 2, 3, 4, 5, 6, 7, 8);
        assertReads(EVE.or(EventQuery.types(TermBegan.class)), 1);
        assertReads(
                EventQuery.of(List.of(
                        new EventQuery.Item(Set.of(CourseClosed.class), Set.of(course("latin"))),
                        new EventQuery.Item(Set.of(Unsubscribed.class, TermBegan.class), Set.of()))),
                1,
                7,
                8);
    }

    @Test
    void a_query_of_hundreds_of_items_gives_the_events_that_fit_any_of_them() {
        // given for each item an event that no other fits, and after every tenth one that none fits
        var all = new ArrayList<CampusEvent>();
        for (int item = 0; item < MANY_ITEMS; item++) {
            all.add(fitting(item));
            if (item % 10 == 9) {
                all.add(new Subscribed("none", "s" + item));
            }
        }
        store.append(all, AppendCondition.none());
        var expected = new ArrayList<Object>(all);
        expected.removeIf(event -> ((Subscribed) event).course().equals("none"));

        // then
        assertEquals(expected, events(manyItems()));
        var options = ReadOptions.backwards();
        Collections.reverse(expected);
        assertEquals(expected, events(manyItems(), options));
        assertEquals(expected.subList(0, 40), events(manyItems(), options.limit(40)));
    }

    @Test
    void a_query_for_all_gives_all_events_alone_and_as_one_of_several_items() {
        givenTheTerm();

        assertReads(EventQuery.all(), 1, 2, 3, 4, 5, 6, 7, 8);
        assertReads(ADA.or(EventQuery.all()), 1, 2, 3, 4, 5, 6, 7, 8);
        assertReads(EventQuery.all().withTags(student("ada")), 4, 5, 7);
    }

    @Test
    void a_query_for_a_type_that_has_no_events_yet_gives_none() {
        store.append(List.of(new TermBegan(2026)), AppendCondition.none());

        assertEquals(List.of(), events(EventQuery.types(Subscribed.class)));
        assertEquals(List.of(), events(EventQuery.types(Enrolment.class)));
        assertEquals(List.of(new TermBegan(2026)), events(EventQuery.types(CampusEvent.class)));
    }

    @Test
    void tags_are_told_apart_by_key_and_by_each_character_of_the_value() {
        // given
        var values = List.of(
                "a",
                "A",
                "a ",
                " a",
                "ä",
                "a\u0308",
                "1",
                "01",
                "1.0",
                "50%",
                "50_",
                "a_b",
                "axb",
                "o'neill",
                "\"q\"",
                "back\\slash",
                "a:b",
                "a:",
                "{}",
                "null",
                "\uD83D\uDE00",
                "x".repeat(Tag.MAX_LENGTH));
        values.forEach(value -> store.append(
                List.of(new CourseOpened(value, 1), new Subscribed("other", value)), AppendCondition.none()));

        // then
        assertAll(values.stream()
                .map(value -> () -> assertAll(
                        () -> assertEquals(
                                List.of(new CourseOpened(value, 1)), events(EventQuery.tagged(course(value)))),
                        () -> assertEquals(
                                List.of(new Subscribed("other", value)), events(EventQuery.tagged(student(value)))),
                        () -> assertThrows(
                                AppendConflictException.class,
                                () -> append(AppendCondition.absent(EventQuery.tagged(course(value))))))));
    }

    // ------------------------------------------------------------------------------------------------- options

    @Test
    void events_are_read_backwards_from_the_newest() {
        givenTheTerm();

        assertReads(EventQuery.all(), ReadOptions.backwards(), 8, 7, 6, 5, 4, 3, 2, 1);
        assertReads(MATHS, ReadOptions.backwards(), 7, 6, 4, 2);
        assertReads(ADA.or(LATIN), ReadOptions.backwards(), 8, 7, 5, 4, 3);
    }

    @Test
    void only_events_after_a_position_are_read() {
        givenTheTerm();

        assertReads(EventQuery.all(), ReadOptions.forwards().after(Position.START), 1, 2, 3, 4, 5, 6, 7, 8);
        assertReads(EventQuery.all(), ReadOptions.forwards().after(nth(5)), 6, 7, 8);
        assertReads(MATHS, ReadOptions.forwards().after(nth(4)), 6, 7);
        assertReads(MATHS, ReadOptions.forwards().after(nth(5)), 6, 7);
        assertReads(MATHS, ReadOptions.forwards().after(nth(8)));
        assertReads(MATHS, ReadOptions.forwards().after(Position.of(1_000_000)));
        assertReads(MATHS, ReadOptions.forwards().after(Position.of(Long.MAX_VALUE)));
    }

    @Test
    void only_events_until_a_position_are_read() {
        givenTheTerm();

        assertReads(EventQuery.all(), ReadOptions.forwards().until(nth(3)), 1, 2, 3);
        assertReads(MATHS, ReadOptions.forwards().until(nth(6)), 2, 4, 6);
        assertReads(MATHS, ReadOptions.forwards().until(nth(5)), 2, 4);
        assertReads(MATHS, ReadOptions.forwards().until(nth(1)));
        assertReads(MATHS, ReadOptions.forwards().until(Position.START));
        assertReads(MATHS, ReadOptions.forwards().until(Position.of(1_000_000)), 2, 4, 6, 7);
    }

    @Test
    void at_most_as_many_events_as_the_limit_are_read() {
        givenTheTerm();

        assertReads(EventQuery.all(), ReadOptions.forwards().limit(3), 1, 2, 3);
        assertReads(MATHS, ReadOptions.forwards().limit(1), 2);
        assertReads(MATHS, ReadOptions.forwards().limit(4), 2, 4, 6, 7);
        assertReads(MATHS, ReadOptions.forwards().limit(100), 2, 4, 6, 7);
        assertReads(MATHS, ReadOptions.forwards().limit(0));
    }

    @Test
    void options_work_together_in_both_directions() {
        givenTheTerm();
        var middle = ReadOptions.forwards().after(nth(2)).until(nth(7));
        var middleBackwards = ReadOptions.backwards().after(nth(2)).until(nth(7));

        assertReads(EventQuery.all(), middle, 3, 4, 5, 6, 7);
        assertReads(EventQuery.all(), middle.limit(2), 3, 4);
        assertReads(MATHS, middle, 4, 6, 7);
        assertReads(MATHS, middle.limit(2), 4, 6);
        assertReads(EventQuery.all(), middleBackwards, 7, 6, 5, 4, 3);
        assertReads(EventQuery.all(), middleBackwards.limit(2), 7, 6);
        assertReads(MATHS, middleBackwards, 7, 6, 4);
        assertReads(MATHS, middleBackwards.limit(2), 7, 6);
        assertReads(ADA, ReadOptions.backwards().limit(1), 7);
        assertReads(ADA, ReadOptions.backwards().until(nth(6)).limit(1), 5);
        assertReads(ADA, ReadOptions.backwards().after(nth(5)), 7);
        assertReads(ADA.or(LATIN), ReadOptions.forwards().after(nth(3)).limit(3), 4, 5, 7);
        assertReads(EventQuery.all(), ReadOptions.forwards().after(nth(4)).until(nth(4)));
        assertReads(EventQuery.all(), ReadOptions.backwards().after(nth(4)).until(nth(4)));
    }

    @Test
    void every_combination_of_options_agrees_with_their_definition() {
        givenTheTerm();
        var queries = List.of(EventQuery.all(), MATHS, ADA.or(LATIN), EventQuery.types(Enrolment.class), EVE);

        for (var query : queries) {
            for (int after = 0; after <= TERM.size(); after++) {
                for (int until = after; until <= TERM.size(); until++) {
                    for (int limit = 0; limit < 5; limit++) {
                        for (var direction : List.of(ReadOptions.forwards(), ReadOptions.backwards())) {
                            var options = direction
                                    .after(nth(after))
                                    .until(nth(until))
                                    .limit(limit);
                            var expected = new ArrayList<CampusEvent>(TERM.subList(after, until));
                            expected.removeIf(event -> !LogModel.matches(query, event, CATALOG.tagsOf(event)));
                            if (options.isBackwards()) {
                                Collections.reverse(expected);
                            }
                            assertEquals(
                                    expected.subList(0, Math.min(limit, expected.size())),
                                    events(query, options),
                                    () -> query + ", " + options);
                        }
                    }
                }
            }
        }
    }

    // ------------------------------------------------------------------------------------------------- streams

    @Test
    void a_stream_has_no_event_before_the_first_advance() {
        givenTheTerm();

        try (var stream = store.read(MATHS)) {
            assertNoCurrentEvent(stream);
            assertTrue(stream.advance());
            assertEquals(TERM.get(1), stream.event());
        }
    }

    @Test
    void a_stream_has_no_event_after_the_last() {
        givenTheTerm();

        try (var stream = store.read(EventQuery.types(TermBegan.class))) {
            assertTrue(stream.advance());
            for (int i = 0; i < 3; i++) {
                assertFalse(stream.advance());
                assertNoCurrentEvent(stream);
            }
            assertEquals(store.head(), stream.head());
        }
    }

    @Test
    void a_stream_without_events_has_none_at_all() {
        try (var stream = store.read(EventQuery.all())) {
            assertNoCurrentEvent(stream);
            assertFalse(stream.advance());
            assertNoCurrentEvent(stream);
            assertFalse(stream.advance());
        }
    }

    @Test
    void a_closed_stream_refuses_everything_but_to_be_closed_again() {
        givenTheTerm();
        var stream = store.read(MATHS);
        assertTrue(stream.advance());

        stream.close();
        stream.close();

        assertThrows(IllegalStateException.class, stream::advance);
        assertNoCurrentEvent(stream);
        assertThrows(IllegalStateException.class, stream::head);
        assertThrows(IllegalStateException.class, stream::unchanged);
        assertEquals(4, events(MATHS).size());
    }

    @Test
    void a_stream_that_is_closed_before_it_is_advanced_refuses_to_be_advanced() {
        givenTheTerm();
        var stream = store.read(MATHS);

        stream.close();

        assertThrows(IllegalStateException.class, stream::advance);
        assertNoCurrentEvent(stream);
    }

    @Test
    void a_closed_stream_refuses_to_be_folded_or_read_into_arrays() {
        givenTheTerm();
        var count = Fold.from(0).on(CampusEvent.class, (sum, event) -> sum + 1);

        for (var query : List.of(EventQuery.all(), MATHS, MATHS.or(LATIN))) {
            var stream = store.read(query);
            var run = count.run(0);
            var events = new Object[1];
            stream.close();

            assertThrows(IllegalStateException.class, () -> stream.fold(count));
            assertThrows(IllegalStateException.class, () -> stream.fold(count, 0));
            assertThrows(IllegalStateException.class, () -> stream.fold(run));
            assertThrows(IllegalStateException.class, () -> stream.advance(events, new long[1]));
            assertEquals(0, run.state());
            assertNull(events[0]);
        }
    }

    @Test
    void the_current_event_may_be_looked_at_again_and_again() {
        givenTheTerm();

        try (var stream = store.read(ADA)) {
            assertTrue(stream.advance());
            assertTrue(stream.advance());
            for (int i = 0; i < 2; i++) {
                assertEquals(new Subscribed("latin", "ada"), stream.event());
                assertEquals(nth(5), stream.position());
                assertEquals("student-subscribed", stream.name());
                assertEquals(Set.of(course("latin"), student("ada")), stream.tags());
                assertEquals(Metadata.none(), stream.metadata());
                assertEquals(START_OF_TERM, stream.recordedAt());
                assertEquals(log().get(4), stream.recorded());
            }
        }
    }

    @Test
    void the_tags_of_an_event_cannot_be_changed() {
        givenTheTerm();

        try (var stream = store.read(ADA)) {
            assertTrue(stream.advance());
            var tags = stream.tags();
            assertThrows(UnsupportedOperationException.class, () -> tags.add(student("eve")));
        }

        assertReads(EVE);
    }

    @Test
    void an_event_that_was_taken_out_stays_what_it_was() {
        givenTheTerm();

        try (var stream = store.read(EventQuery.all())) {
            assertTrue(stream.advance());
            var first = stream.recorded();
            var tags = stream.tags();
            assertTrue(stream.advance());
            var second = stream.recorded();

            assertEquals(List.of(log().get(0), log().get(1)), List.of(first, second));
            assertEquals(Set.of(), tags);
        }
    }

    @Test
    void a_stream_folds_the_rest_of_its_events() {
        givenTheTerm();
        var count = Fold.from(0).on(CampusEvent.class, (sum, event) -> sum + 1);

        try (var stream = store.read(MATHS)) {
            assertEquals(4, stream.fold(count));
        }
        try (var stream = store.read(MATHS)) {
            assertTrue(stream.advance());
            assertEquals(103, stream.fold(count, 100));
            assertFalse(stream.advance());
            assertNoCurrentEvent(stream);
        }
        try (var stream = store.read(EventQuery.all(), ReadOptions.backwards().limit(2))) {
            var last = Fold.from("").on(CampusEvent.class, (text, event) -> text + event + ";");
            assertEquals(TERM.get(7) + ";" + TERM.get(6) + ";", stream.fold(last));
        }
    }

    @Test
    void the_rest_of_a_part_is_the_same_by_folds_runs_and_arrays_as_event_by_event() {
        // given
        givenTheTerm();
        var parts = Stream.of(ReadOptions.forwards(), ReadOptions.backwards())
                .flatMap(way -> Stream.of(
                        way,
                        way.limit(1),
                        way.limit(4),
                        way.limit(TERM.size() + 1),
                        way.after(nth(1)).until(nth(6))))
                .toList();
        var list = Fold.<List<Object>>fresh(ArrayList::new).change(CampusEvent.class, List::add);

        for (var query : List.of(EventQuery.all(), MATHS, ADA.or(LATIN), EVE)) {
            for (var part : parts) {
                for (int before = 0; before <= 2; before += 2) {
                    List<Object> rest;
                    try (var stream = store.read(query, part)) {
                        advance(stream, before);
                        rest = rest(stream);
                    }
                    Supplier<String> what = () -> "rest of " + query + " " + part;

                    // then
                    try (var stream = store.read(query, part)) {
                        advance(stream, before);
                        assertEquals(rest, stream.fold(list), what);
                        assertAtItsEnd(stream);
                    }
                    try (var stream = store.read(query, part)) {
                        advance(stream, before);
                        var run = list.run(list.initial());
                        assertEquals(rest.size(), stream.fold(run), what);
                        assertEquals(rest, run.state(), what);
                        assertAtItsEnd(stream);
                    }
                    try (var stream = store.read(query, part)) {
                        advance(stream, before);
                        var events = new Object[TERM.size() + 1];
                        assertEquals(rest.size(), stream.advance(events, new long[events.length]), what);
                        assertEquals(rest, Arrays.asList(events).subList(0, rest.size()), what);
                        assertAtItsEnd(stream);
                    }
                    try (var stream = store.read(query, part)) {
                        advance(stream, before);
                        var events = new Object[2];
                        int first = stream.advance(events, new long[2]);
                        assertEquals(
                                rest.subList(0, first), Arrays.asList(events).subList(0, first), what);
                        assertEquals(Math.min(2, rest.size()), first, what);
                        assertEquals(rest.subList(first, rest.size()), rest(stream), what);
                    }
                }
            }
        }
    }

    @Test
    void a_run_that_is_stopped_takes_no_more_of_a_stream() {
        givenTheTerm();
        var list = Fold.<List<Object>>fresh(ArrayList::new).change(CampusEvent.class, List::add);

        for (var query : List.of(EventQuery.all(), MATHS, MATHS.or(LATIN))) {
            var runs = new ArrayList<Fold.Run<List<Object>>>(1);
            var stopping = list.change(Unsubscribed.class, (events, event) -> {
                events.add(event);
                runs.get(0).stop();
            });
            var run = stopping.run(stopping.initial());
            runs.add(run);
            try (var stream = store.read(query)) {
                var all = events(query);
                var taken = all.subList(0, all.indexOf(TERM.get(6)) + 1);

                assertEquals(taken.size(), stream.fold(run));
                assertEquals(taken, run.state());
            }
        }
    }

    private static void advance(EventStream stream, int times) {
        for (int i = 0; i < times; i++) {
            stream.advance();
        }
    }

    private static void assertAtItsEnd(EventStream stream) {
        assertNoCurrentEvent(stream);
        assertFalse(stream.advance());
        var none = Fold.from("none").on(CampusEvent.class, (text, event) -> "one");
        assertEquals("none", stream.fold(none));
        assertEquals("as it was", stream.fold(none, "as it was"));
        assertEquals(0, stream.fold(none.run("none")));
        assertEquals(0, stream.advance(new Object[1], new long[1]));
    }

    @Test
    void a_fold_leaves_out_events_it_has_no_step_for() {
        givenTheTerm();
        var seats = Fold.from(0)
                .on(CourseOpened.class, (free, event) -> free + event.seats())
                .on(Enrolment.class, (free, event) -> free - 1)
                .on(Unsubscribed.class, (free, event) -> free + 1);

        try (var stream = store.read(EventQuery.all())) {
            assertEquals(3 + 2 - 3 + 1, stream.fold(seats));
        }
    }

    @Test
    void a_fold_that_fails_lets_its_exception_through() {
        givenTheTerm();
        var mine = new IllegalArgumentException("mine");
        var failing = Fold.from(0).on(CourseClosed.class, (sum, event) -> {
            throw mine;
        });

        try (var stream = store.read(EventQuery.all())) {
            assertSame(mine, assertThrows(RuntimeException.class, () -> stream.fold(failing)));
        }
        assertStillWorks();
    }

    @Test
    void events_that_are_appended_after_the_read_are_not_in_the_stream() {
        givenTheTerm();
        var options = List.of(
                ReadOptions.forwards(),
                ReadOptions.backwards(),
                ReadOptions.forwards().until(Position.of(1_000_000)));
        for (var option : options) {
            var expected = events(ADA, option);
            var before = store.head();

            try (var unmoved = store.read(ADA, option);
                    var moved = store.read(ADA, option)) {
                assertTrue(moved.advance());
                append(AppendCondition.none(), new Subscribed("greek", "ada"), new Unsubscribed("greek", "ada"));

                assertEquals(before, unmoved.head());
                assertEquals(before, moved.head());
                assertEquals(expected, rest(unmoved));
                assertEquals(expected.subList(1, expected.size()), rest(moved));
                append(AppendCondition.none(), new Subscribed("greek", "ada"));
                assertFalse(unmoved.advance());
            }
        }
    }

    @Test
    void a_stream_of_an_empty_log_stays_empty() {
        try (var stream = store.read(EventQuery.all())) {
            assertEquals(
                    Position.of(1),
                    append(AppendCondition.none(), new TermBegan(1)).last());

            assertFalse(stream.advance());
            assertEquals(Position.START, stream.head());
            assertEquals(AppendCondition.unchanged(EventQuery.all(), Position.START), stream.unchanged());
        }
    }

    @Test
    void streams_that_are_open_at_once_do_not_disturb_each_other() {
        givenTheTerm();

        var other = store.read(MATHS, ReadOptions.backwards());
        try (var one = store.read(MATHS)) {
            assertTrue(one.advance());
            assertTrue(other.advance());
            assertEquals(nth(2), one.position());
            assertEquals(nth(7), other.position());
            assertTrue(one.advance());
            other.close();
            assertEquals(nth(4), one.position());
            assertEquals(2, rest(one).size());
        }
    }

    @Test
    void the_head_of_a_stream_is_that_of_the_log_and_not_of_the_query() {
        givenTheTerm();

        for (var options : List.of(
                ReadOptions.forwards(),
                ReadOptions.backwards(),
                ReadOptions.forwards().limit(1),
                ReadOptions.forwards().until(nth(2)),
                ReadOptions.forwards().after(nth(7)))) {
            try (var stream = store.read(EventQuery.types(TermBegan.class), options)) {
                assertEquals(nth(8), stream.head(), options::toString);
                while (stream.advance()) {
                    assertEquals(nth(8), stream.head(), options::toString);
                }
                assertEquals(nth(8), stream.head(), options::toString);
            }
        }
    }

    // ------------------------------------------------------------------------------------------------- conditions

    @Test
    void an_append_happens_while_nothing_that_matches_has_been_appended_after_the_position() {
        givenTheTerm();

        assertAllowed(AppendCondition.unchanged(EVE, Position.START));
        assertAllowed(AppendCondition.unchanged(ADA, nth(7)));
        assertAllowed(AppendCondition.unchanged(LATIN, nth(8)));
        assertAllowed(AppendCondition.unchanged(EventQuery.all(), store.head()));
        assertAllowed(AppendCondition.unchanged(EventQuery.types(Subscribed.class), nth(6)));
        assertAllowed(AppendCondition.unchanged(EventQuery.types(Enrolment.class), nth(7)));
        assertAllowed(AppendCondition.unchanged(EventQuery.tagged(course("maths"), student("bob")), nth(6)));
        assertAllowed(AppendCondition.unchanged(EventQuery.tagged(course("maths"), course("latin")), Position.START));
        assertAllowed(AppendCondition.unchanged(
                EventQuery.types(Subscribed.class).withTags(course("maths"), student("ada")), nth(4)));
        assertAllowed(AppendCondition.unchanged(EVE.or(EventQuery.types(Unsubscribed.class)), nth(7)));
    }

    @Test
    void an_append_is_refused_once_something_that_matches_has_been_appended_after_the_position() {
        givenTheTerm();

        assertRefused(AppendCondition.unchanged(ADA, nth(6)), 7);
        assertRefused(AppendCondition.unchanged(ADA, Position.START), 4, 5, 7);
        assertRefused(AppendCondition.unchanged(LATIN, nth(5)), 8);
        assertRefused(AppendCondition.unchanged(EventQuery.all(), nth(7)), 8);
        assertRefused(AppendCondition.unchanged(EventQuery.types(Subscribed.class), nth(5)), 6);
        assertRefused(AppendCondition.unchanged(EventQuery.types(Enrolment.class), nth(6)), 7);
        assertRefused(AppendCondition.unchanged(EventQuery.types(CampusEvent.class), nth(6)), 7, 8);
        assertRefused(AppendCondition.unchanged(EventQuery.tagged(course("maths"), student("bob")), nth(5)), 6);
        assertRefused(
                AppendCondition.unchanged(
                        EventQuery.types(Subscribed.class).withTags(course("maths"), student("ada")), nth(3)),
                4);
        assertRefused(AppendCondition.unchanged(EVE.or(EventQuery.types(Unsubscribed.class)), nth(6)), 7);
        assertRefused(AppendCondition.unchanged(EVE.or(LATIN), nth(2)), 3, 5, 8);
    }

    @Test
    void a_condition_on_three_and_more_tags_speaks_of_the_events_that_have_all_of_them() {
        // given
        var events = givenMarks();
        var many = "a".repeat(20);

        // then
        for (var pattern : THREE_OR_FOUR_MARKS) {
            int last = IntStream.rangeClosed(1, events.size())
                    .filter(number -> events.get(number - 1).marks().matches(pattern))
                    .max()
                    .orElseThrow();
            assertAllowed(AppendCondition.unchanged(marked(pattern), nth(last)));
            assertRefused(AppendCondition.unchanged(marked(pattern), nth(last - 1)), last);
        }
        var appended = store.append(List.of(new Marked(many)), AppendCondition.absent(marked(many)));
        for (int wrong = 0; wrong < many.length(); wrong++) {
            assertAllowed(AppendCondition.absent(marked(allButOne(many, wrong))));
        }
        var conflict =
                assertThrows(AppendConflictException.class, () -> append(AppendCondition.absent(marked(many))), many);
        assertEquals(appended.last(), conflict.position());
    }

    @Test
    void a_condition_on_hundreds_of_items_speaks_of_each_of_them() {
        append(AppendCondition.none(), new Subscribed("none", "s0"), new CourseOpened("none", 1));
        assertAllowed(AppendCondition.absent(manyItems()));

        for (int item : List.of(0, 8, 16, 20, 32, 64, 100, 128, 256, MANY_ITEMS - 1)) {
            var before = AppendCondition.unchanged(manyItems(), store.head());
            var appended = append(before, new Subscribed("none", "s" + item), fitting(item));

            var conflict = assertThrows(AppendConflictException.class, () -> append(before), "item " + item);
            assertEquals(appended.last(), conflict.position());
        }
        assertThrows(AppendConflictException.class, () -> append(AppendCondition.absent(manyItems())));
    }

    @Test
    void a_condition_speaks_of_events_that_are_thousands_of_events_back() {
        // given an event of maths and one of latin, each with thousands behind it
        givenALongLog();
        int maths = 1;
        int latin = THOUSANDS + 2;
        var both = EventQuery.types(Subscribed.class);

        // then
        for (var query : List.of(
                MATHS,
                ADA,
                EventQuery.tagged(course("maths"), student("ada")),
                both.withTags(course("maths")),
                EVE.or(MATHS))) {
            assertRefused(AppendCondition.absent(query), maths);
            assertRefused(AppendCondition.unchanged(query, Position.START), maths);
            assertAllowed(AppendCondition.unchanged(query, nth(maths)));
        }
        for (var query : List.of(LATIN, EventQuery.tagged(student("bob"), course("latin")), EVE.or(LATIN))) {
            assertRefused(AppendCondition.absent(query), latin);
            assertRefused(AppendCondition.unchanged(query, nth(maths)), latin);
            assertAllowed(AppendCondition.unchanged(query, nth(latin)));
        }
        assertRefused(AppendCondition.absent(both), maths, latin);
        assertRefused(AppendCondition.unchanged(both, nth(maths)), latin);
        assertAllowed(AppendCondition.unchanged(both, nth(latin)));
    }

    @Test
    void an_append_happens_while_what_must_be_absent_is() {
        givenTheTerm();

        assertAllowed(AppendCondition.absent(EVE));
        assertAllowed(AppendCondition.absent(EventQuery.tagged(course("latin"), student("bob"))));
        assertAllowed(
                AppendCondition.absent(EventQuery.types(CourseClosed.class).withTags(course("maths"))));
        assertAllowed(AppendCondition.absent(EVE.or(EventQuery.tagged(course("greek")))));
    }

    @Test
    void an_append_is_refused_once_what_must_be_absent_is_there() {
        givenTheTerm();

        assertRefused(AppendCondition.absent(EventQuery.tagged(student("bob"))), 6);
        assertRefused(AppendCondition.absent(EventQuery.types(TermBegan.class)), 1);
        assertRefused(AppendCondition.absent(EventQuery.all()), 1, 2, 3, 4, 5, 6, 7, 8);
        assertRefused(AppendCondition.absent(EventQuery.types(Enrolment.class).withTags(course("latin"))), 5);
        assertRefused(AppendCondition.absent(EVE.or(EventQuery.types(Unsubscribed.class))), 7);
    }

    @Test
    void a_conflict_over_what_was_read_can_be_helped_by_trying_again_and_one_over_absence_cannot() {
        givenTheTerm();
        var unchanged = AppendCondition.unchanged(ADA, Position.START);
        var absent = AppendCondition.absent(ADA);

        var retryable = assertThrows(AppendConflictException.class, () -> append(unchanged));
        var hopeless = assertThrows(AppendConflictException.class, () -> append(absent));

        assertTrue(retryable.isRetryable());
        assertFalse(hopeless.isRetryable());
        assertEquals(unchanged.clauses().get(0), retryable.clause());
        assertEquals(absent.clauses().get(0), hopeless.clause());
    }

    @Test
    void all_clauses_must_hold() {
        givenTheTerm();
        var holds = AppendCondition.unchanged(ADA, nth(7));
        var holdsToo = AppendCondition.absent(EVE);
        var fails = AppendCondition.unchanged(LATIN, nth(7));

        assertAllowed(holds.and(holdsToo));
        assertRefused(holds.and(holdsToo).and(fails), 8);
        assertRefused(holds.and(fails).and(holdsToo), 8);
        assertRefused(fails.and(holds).and(holdsToo), 8);
    }

    @Test
    void the_first_clause_that_fails_is_reported() {
        givenTheTerm();
        var holds = AppendCondition.unchanged(EVE, Position.START);
        var latin = AppendCondition.unchanged(LATIN, nth(7));
        var began = AppendCondition.absent(EventQuery.types(TermBegan.class));

        var latinFirst = assertThrows(
                AppendConflictException.class, () -> append(holds.and(latin).and(began)));
        var beganFirst = assertThrows(
                AppendConflictException.class, () -> append(began.and(holds).and(latin)));

        assertEquals(latin.clauses().get(0), latinFirst.clause());
        assertEquals(nth(8), latinFirst.position());
        assertTrue(latinFirst.isRetryable());
        assertEquals(began.clauses().get(0), beganFirst.clause());
        assertEquals(nth(1), beganFirst.position());
        assertFalse(beganFirst.isRetryable());
    }

    @Test
    void a_condition_does_not_speak_of_the_events_it_comes_with() {
        var unheard = new Subscribed("greek", "eve");

        store.append(List.of(unheard, unheard), AppendCondition.absent(EVE));
        var head = store.head();
        store.append(List.of(unheard), AppendCondition.unchanged(EVE, head));

        assertEquals(List.of(unheard, unheard, unheard), events(EVE));
        assertThrows(AppendConflictException.class, () -> append(AppendCondition.absent(EVE)));
        assertThrows(AppendConflictException.class, () -> append(AppendCondition.unchanged(EVE, head)));
    }

    @Test
    void a_refused_append_writes_none_of_its_events() {
        givenTheTerm();
        var head = store.head();

        assertThrows(
                AppendConflictException.class,
                () -> append(AppendCondition.absent(ADA), new Subscribed("greek", "eve"), new TermBegan(2027)));

        assertEquals(head, store.head());
        assertEquals(TERM, events(EventQuery.all()));
        assertReads(EVE);
        assertAllowed(AppendCondition.absent(EVE).and(AppendCondition.unchanged(EventQuery.all(), head)));
    }

    @Test
    void what_was_read_gives_the_condition_that_it_is_unchanged() {
        givenTheTerm();
        var queries = List.of(MATHS, ADA.or(LATIN), EVE, EventQuery.all(), EventQuery.types(Enrolment.class));
        var options = List.of(
                ReadOptions.forwards(),
                ReadOptions.backwards(),
                ReadOptions.forwards().after(nth(6)),
                ReadOptions.backwards().after(nth(6)),
                ReadOptions.forwards().after(nth(8)));

        for (var query : queries) {
            for (var option : options) {
                try (var stream = store.read(query, option)) {
                    var expected = AppendCondition.unchanged(query, stream.head());
                    assertEquals(expected, stream.unchanged(), () -> query + ", " + option + ", before");
                    while (stream.advance()) {
                        assertEquals(expected, stream.unchanged(), () -> query + ", " + option + ", at an event");
                    }
                    assertEquals(expected, stream.unchanged(), () -> query + ", " + option + ", at the end");
                }
            }
        }
    }

    @Test
    void the_condition_of_a_read_holds_while_only_other_things_were_appended_since() {
        givenTheTerm();

        try (var stream = store.read(ADA)) {
            append(AppendCondition.none(), new Subscribed("greek", "bob"));

            assertAllowed(stream.unchanged());
        }
    }

    @Test
    void the_condition_of_a_read_fails_when_something_it_reads_was_appended_since() {
        givenTheTerm();

        try (var stream = store.read(ADA)) {
            var taken = stream.unchanged();
            var appended = append(AppendCondition.none(), new TermBegan(2027), new Subscribed("greek", "ada"));

            // it does not matter when the condition is taken, only when the stream was read
            for (var unchanged : List.of(taken, stream.unchanged())) {
                var conflict = assertThrows(AppendConflictException.class, () -> append(unchanged));
                assertEquals(appended.last(), conflict.position());
                assertTrue(conflict.isRetryable());
            }
        }
    }

    @Test
    void the_condition_of_an_empty_read_fails_when_the_first_event_was_appended_since() {
        AppendCondition unchanged;
        try (var stream = store.read(EVE)) {
            unchanged = stream.unchanged();
        }
        append(AppendCondition.none(), new Subscribed("greek", "eve"));

        var conflict = assertThrows(AppendConflictException.class, () -> append(unchanged));

        assertEquals(Position.of(1), conflict.position());
    }

    @Test
    void a_read_that_was_cut_gives_no_condition() {
        givenTheTerm();

        for (var options : List.of(
                ReadOptions.forwards().limit(1),
                ReadOptions.forwards().limit(1_000),
                ReadOptions.forwards().until(nth(2)),
                ReadOptions.forwards().until(Position.of(1_000_000)),
                ReadOptions.backwards().limit(1),
                ReadOptions.backwards().after(nth(1)).until(nth(8)))) {
            try (var stream = store.read(MATHS, options)) {
                assertThrows(IllegalStateException.class, stream::unchanged, options::toString);
                stream.toList();
                assertThrows(IllegalStateException.class, stream::unchanged, options::toString);
            }
        }
    }

    // ------------------------------------------------------------------------------------------------- signals

    @Test
    void a_signal_comes_after_the_commit_and_before_the_append_returns() {
        var signals = new ArrayList<Position>();
        var seen = new ArrayList<List<Object>>();
        store.onAppend(last -> {
            signals.add(last);
            signals.add(store.head());
            seen.add(events(EventQuery.all()));
        });

        var appended = append(AppendCondition.none(), new TermBegan(1), new TermBegan(2));

        assertEquals(List.of(appended.last(), appended.last()), signals);
        assertEquals(List.of(List.of(new TermBegan(1), new TermBegan(2))), seen);
    }

    @Test
    void a_signal_comes_once_for_each_append_on_the_thread_that_appends() {
        var signals = Collections.synchronizedList(new ArrayList<Object>());
        store.onAppend(last -> signals.addAll(List.of(last, Thread.currentThread())));
        var expected = Collections.synchronizedList(new ArrayList<Object>());
        Runnable appending = () -> {
            var appended = append(AppendCondition.none(), new TermBegan(1), new TermBegan(2), new TermBegan(3));
            expected.addAll(List.of(appended.last(), Thread.currentThread()));
        };

        appending.run();
        Together.onAnotherThread(appending::run);
        appending.run();

        assertEquals(expected, signals);
        assertEquals(6, signals.size());
    }

    @Test
    void a_refused_append_gives_no_signal() {
        givenTheTerm();
        var signals = new ArrayList<Position>();
        store.onAppend(signals::add);

        assertThrows(AppendConflictException.class, () -> append(AppendCondition.absent(ADA)));
        assertThrows(
                UnknownEventException.class, () -> append(AppendCondition.none(), new CourseRenamed("maths", "x")));
        assertThrows(IllegalArgumentException.class, () -> store.append(List.of(), AppendCondition.none()));
        assertEquals(List.of(), signals);

        var appended = append(AppendCondition.none());
        assertEquals(List.of(appended.last()), signals);
    }

    @Test
    void all_subscribers_are_signalled_until_they_close() {
        var one = new AtomicInteger();
        var other = new AtomicInteger();
        var first = store.onAppend(last -> one.incrementAndGet());
        var second = store.onAppend(last -> other.incrementAndGet());

        append(AppendCondition.none());
        first.close();
        append(AppendCondition.none());
        first.close();
        append(AppendCondition.none());
        second.close();
        append(AppendCondition.none());

        assertEquals(1, one.get());
        assertEquals(3, other.get());
    }

    @Test
    void a_signal_that_is_subscribed_twice_lasts_until_both_subscriptions_are_closed() {
        var calls = new AtomicInteger();
        EventStore.Signal signal = last -> calls.incrementAndGet();
        var first = store.onAppend(signal);
        var second = store.onAppend(signal);

        first.close();
        first.close();
        append(AppendCondition.none());
        assertEquals(1, calls.get());

        second.close();
        append(AppendCondition.none());
        assertEquals(1, calls.get());
    }

    @Test
    void a_closed_subscription_is_not_asked_whether_an_append_may_happen() {
        var asked = new AtomicInteger();
        var subscription = store.onAppend(new Veto(asked::incrementAndGet));

        append(AppendCondition.none());
        subscription.close();
        append(AppendCondition.none());

        assertEquals(1, asked.get());
    }

    @Test
    void who_subscribes_and_unsubscribes_leaves_the_store_to_other_threads() {
        store.onAppend(last -> {}).close();
        store.onAppend(last -> {});

        Together.onAnotherThread(() -> {
            append(AppendCondition.none(), new TermBegan(1));
            store.onAppend(last -> {}).close();
        });

        assertEquals(List.of(new TermBegan(1)), events(EventQuery.all()));
    }

    @Test
    void a_signal_that_throws_disturbs_neither_the_append_nor_the_other_signals() {
        // given
        for (var mine : List.of(new IllegalStateException("mine"), new LinkageError("mine"))) {
            var before = new ArrayList<Position>();
            var after = new ArrayList<Position>();
            var uncaught = new ArrayList<Throwable>();
            var subscriptions = List.of(
                    store.onAppend(before::add),
                    store.onAppend(last -> {
                        throw BusContract.undeclared(mine);
                    }),
                    store.onAppend(after::add));

            // when
            Appended appended;
            var thread = Thread.currentThread();
            var handler = thread.getUncaughtExceptionHandler();
            thread.setUncaughtExceptionHandler((on, thrown) -> uncaught.add(thrown));
            try {
                appended = append(AppendCondition.none());
            } finally {
                thread.setUncaughtExceptionHandler(handler);
                subscriptions.forEach(EventStore.Subscription::close);
            }

            // then
            assertEquals(appended.last(), store.head());
            assertEquals(List.of(appended.last()), before);
            assertEquals(List.of(appended.last()), after);
            assertEquals(List.of(mine), uncaught);
        }
        assertEquals(2, events(EventQuery.all()).size());
        assertStillWorks();
    }

    @Test
    void a_handler_of_uncaught_exceptions_that_throws_disturbs_neither_the_append_nor_the_other_signals() {
        // given
        var mine = new IllegalStateException("mine");
        var handled = new ArrayList<Throwable>();
        var after = new ArrayList<Position>();
        var subscriptions = List.of(
                store.onAppend(last -> {
                    throw mine;
                }),
                store.onAppend(after::add));

        // when
        Appended appended;
        var thread = Thread.currentThread();
        var handler = thread.getUncaughtExceptionHandler();
        thread.setUncaughtExceptionHandler((on, thrown) -> {
            handled.add(thrown);
            throw new IllegalArgumentException("the handler's own");
        });
        try {
            appended = append(AppendCondition.none());
        } finally {
            thread.setUncaughtExceptionHandler(handler);
            subscriptions.forEach(EventStore.Subscription::close);
        }

        // then
        assertEquals(appended.last(), store.head());
        assertEquals(List.of(appended.last()), after);
        assertEquals(List.of(mine), handled);
        assertStillWorks();
    }

    @Test
    void a_veto_before_an_append_leaves_the_store_unchanged() {
        givenTheTerm();
        var signals = new ArrayList<Position>();
        var veto = new IllegalStateException("not now");
        var watching = store.onAppend(signals::add);
        var vetoing = store.onAppend(new Veto(() -> {
            throw veto;
        }));

        var thrown = assertThrows(IllegalStateException.class, () -> append(AppendCondition.none()));

        assertSame(veto, thrown);
        assertEquals(List.of(), signals);
        assertEquals(TERM, events(EventQuery.all()));
        vetoing.close();
        watching.close();
        assertStillWorks();
    }

    @Test
    void before_an_append_nothing_of_it_is_visible() {
        givenTheTerm();
        var heads = new ArrayList<Position>();
        var subscription = store.onAppend(new Veto(() -> heads.add(store.head())));

        append(AppendCondition.none());
        subscription.close();

        assertEquals(List.of(nth(8)), heads);
    }

    @Test
    void no_lock_is_held_while_a_signal_is_asked_before_an_append() {
        var once = new AtomicBoolean();
        var trace = new ArrayList<String>();
        store.onAppend(new Veto(() -> {
            if (once.compareAndSet(false, true)) {
                Together.onAnotherThread(() -> append(AppendCondition.none(), new TermBegan(1)));
                trace.add("another thread has appended");
            }
        }));

        append(AppendCondition.none(), new TermBegan(2));

        assertEquals(List.of("another thread has appended"), trace);
        assertEquals(List.of(new TermBegan(1), new TermBegan(2)), events(EventQuery.all()));
    }

    @Test
    void no_lock_is_held_while_a_signal_is_told_of_an_append() {
        var once = new AtomicBoolean();
        var trace = new ArrayList<String>();
        store.onAppend(last -> {
            if (once.compareAndSet(false, true)) {
                Together.onAnotherThread(() -> append(AppendCondition.none(), new TermBegan(2)));
                trace.add("another thread has appended");
            }
        });

        append(AppendCondition.none(), new TermBegan(1));

        assertEquals(List.of("another thread has appended"), trace);
        assertEquals(List.of(new TermBegan(1), new TermBegan(2)), events(EventQuery.all()));
    }

    @Test
    void a_signal_that_is_subscribed_while_an_append_is_under_way_is_told_unless_a_read_would_tell() {
        // given one who subscribes when an append has begun, and then reads what was appended before
        var told = new ArrayList<Position>();
        var read = new ArrayList<Object>();
        var once = new AtomicBoolean();
        store.onAppend(new Veto(() -> {
            if (once.compareAndSet(false, true)) {
                store.onAppend(told::add);
                read.addAll(events(EventQuery.all()));
            }
        }));

        // when
        var appended = append(AppendCondition.none());

        // then
        assertEquals(List.of(), read);
        assertEquals(List.of(appended.last()), told, "else the subscriber would wait for an event that is there");
    }

    @Test
    void a_signal_may_subscribe_and_unsubscribe() {
        var later = new ArrayList<Position>();
        var subscriptions = new ArrayList<EventStore.Subscription>();
        subscriptions.add(store.onAppend(last -> {
            subscriptions.get(0).close();
            subscriptions.add(store.onAppend(later::add));
        }));

        append(AppendCondition.none());
        later.clear();
        var appended = append(AppendCondition.none());

        assertEquals(2, subscriptions.size());
        assertEquals(List.of(appended.last()), later);
    }

    // ------------------------------------------------------------------------------------------------- bad input

    @Test
    void nulls_are_refused() {
        givenTheTerm();
        var none = AppendCondition.none();
        var event = List.of(new TermBegan(1));

        assertBadInput(NullPointerException.class, () -> store.append(nullOf(List.class), none));
        assertBadInput(NullPointerException.class, () -> store.append(event, nullOf(AppendCondition.class)));
        assertBadInput(NullPointerException.class, () -> store.append(event, none, noMetadata()));
        assertBadInput(NullPointerException.class, () -> store.read(nullOf(EventQuery.class)));
        assertBadInput(NullPointerException.class, () -> store.read(nullOf(EventQuery.class), ReadOptions.forwards()));
        assertBadInput(NullPointerException.class, () -> store.read(EventQuery.all(), nullOf(ReadOptions.class)));
        assertBadInput(NullPointerException.class, () -> store.onAppend(nullOf(EventStore.Signal.class)));
        assertBadInput(NullPointerException.class, () -> store.feed(nullOf(EventQuery.class)));
        assertBadInput(NullPointerException.class, () -> store.isCommitted(nullOf(Position.class)));
    }

    @Test
    void a_null_among_the_events_is_refused_wherever_it_stands() {
        givenTheTerm();
        var event = new TermBegan(1);
        var missing = nullOf(CampusEvent.class);

        for (var events : List.of(
                Arrays.asList(missing, event),
                Arrays.asList(event, missing, event),
                Arrays.asList(event, missing),
                Collections.singletonList(missing))) {
            assertBadInput(NullPointerException.class, () -> store.append(events, AppendCondition.none()));
        }
    }

    @Test
    void an_append_of_no_events_is_refused() {
        givenTheTerm();

        assertBadInput(IllegalArgumentException.class, () -> store.append(List.of(), AppendCondition.none()));
        assertBadInput(
                IllegalArgumentException.class, () -> store.append(new ArrayList<>(), AppendCondition.absent(EVE)));
    }

    @Test
    void an_event_that_the_catalog_does_not_know_is_refused_with_all_others_of_its_append() {
        givenTheTerm();
        var known = new Subscribed("maths", "eve");
        var unknown = new CourseRenamed("maths", "algebra");

        for (var events : List.of(
                List.of(unknown), List.of(unknown, known), List.of(known, unknown, known), List.of(known, unknown))) {
            var refused =
                    assertBadInput(UnknownEventException.class, () -> store.append(events, AppendCondition.none()));
            assertEquals(CourseRenamed.class.getName(), refused.type());
        }
        assertBadInput(UnknownEventException.class, () -> append(AppendCondition.none(), known, "a string"));
    }

    @Test
    void a_query_for_a_type_that_the_catalog_does_not_know_is_refused() {
        givenTheTerm();

        for (var query : List.of(
                EventQuery.types(CourseRenamed.class),
                EventQuery.types(String.class),
                EventQuery.types(Subscribed.class, CourseRenamed.class),
                EventQuery.types(CourseRenamed.class).withTags(course("none")),
                MATHS.or(EventQuery.types(CourseRenamed.class)),
                EventQuery.all().or(EventQuery.types(CourseRenamed.class)))) {
            assertBadInput(UnknownEventException.class, () -> store.read(query));
            assertBadInput(UnknownEventException.class, () -> store.read(query, ReadOptions.backwards()));
            assertBadInput(
                    UnknownEventException.class,
                    () -> store.read(query, ReadOptions.forwards().limit(0)));
        }
    }

    @Test
    void a_feed_of_a_type_that_the_catalog_does_not_know_is_not_given() {
        givenTheTerm();

        for (var query : List.of(
                EventQuery.types(CourseRenamed.class),
                EventQuery.types(Subscribed.class, CourseRenamed.class),
                EventQuery.types(CourseRenamed.class).withTags(course("none")),
                MATHS.or(EventQuery.types(CourseRenamed.class)))) {
            if (store.feed(MATHS).isPresent()) {
                assertBadInput(UnknownEventException.class, () -> store.feed(query));
            } else {
                assertFalse(isFed(query), query::toString);
            }
        }
        assertStillWorks();
    }

    /** A store without feeds need not look at what is asked for. */
    private boolean isFed(EventQuery query) {
        try {
            return store.feed(query).isPresent();
        } catch (UnknownEventException refused) {
            return false;
        }
    }

    @Test
    void a_condition_on_a_type_that_the_catalog_does_not_know_is_refused() {
        givenTheTerm();

        for (var query : List.of(
                EventQuery.types(CourseRenamed.class),
                EventQuery.types(CourseRenamed.class).withTags(course("none")),
                EventQuery.types(CourseRenamed.class).withTags(course("none"), student("none")),
                EventQuery.types(CourseRenamed.class).withTags(course("maths"), student("ada")),
                EVE.or(EventQuery.types(String.class, Subscribed.class).withTags(student("eve"))))) {
            assertBadInput(UnknownEventException.class, () -> append(AppendCondition.absent(query)));
            assertBadInput(UnknownEventException.class, () -> append(AppendCondition.unchanged(query, store.head())));
            assertBadInput(
                    UnknownEventException.class,
                    () -> append(AppendCondition.absent(EVE).and(AppendCondition.absent(query))));
        }
    }

    @Test
    void a_type_that_the_catalog_does_not_know_is_refused_by_an_empty_store_too() {
        var query = EventQuery.types(CourseRenamed.class);

        assertThrows(UnknownEventException.class, () -> store.read(query));
        assertThrows(UnknownEventException.class, () -> append(AppendCondition.absent(query)));
        assertThrows(
                UnknownEventException.class, () -> append(AppendCondition.none(), new CourseRenamed("maths", "x")));

        assertEquals(Position.START, store.head());
        assertStillWorks();
    }

    @Test
    void a_condition_on_a_position_behind_the_head_is_refused() {
        givenTheTerm();

        for (var ahead : List.of(1L, 2L, 1_000_000L, Integer.MAX_VALUE * 2L + 2)) {
            for (var query : List.of(EventQuery.all(), ADA, EVE, EventQuery.types(Enrolment.class))) {
                assertBadInput(IllegalArgumentException.class, () -> append(inTheFuture(query, ahead)));
                assertBadInput(
                        IllegalArgumentException.class,
                        () -> append(AppendCondition.absent(EVE).and(inTheFuture(query, ahead))));
            }
        }
    }

    @Test
    void a_condition_on_a_position_is_refused_by_an_empty_store() {
        assertThrows(IllegalArgumentException.class, () -> append(AppendCondition.unchanged(ADA, Position.of(1))));

        assertEquals(Position.START, store.head());
        assertStillWorks();
    }

    @Test
    void a_list_that_fails_to_be_read_leaves_the_store_unchanged() {
        givenTheTerm();
        var mine = new IllegalStateException("mine");
        var failing = new AbstractList<Object>() {
            @Override
            public Object get(int index) {
                if (index == 1) {
                    throw mine;
                }
                return new TermBegan(index);
            }

            @Override
            public int size() {
                return 3;
            }
        };

        var thrown = assertBadInput(IllegalStateException.class, () -> store.append(failing, AppendCondition.none()));

        assertSame(mine, thrown);
    }

    @Test
    void a_list_that_changes_while_it_is_appended_is_read_once() {
        // given a list that gives good events when it is read first, and bad ones ever after
        var reads = new AtomicInteger();
        var changing = new AbstractList<Object>() {
            @Override
            public Object get(int index) {
                return reads.getAndIncrement() < 3 ? new TermBegan(index) : new CourseRenamed("maths", "x");
            }

            @Override
            public int size() {
                return 3;
            }
        };

        // when
        var appended = store.append(changing, AppendCondition.none());

        // then
        assertEquals(new Appended(Position.of(1), Position.of(3)), appended);
        assertEquals(List.of(new TermBegan(0), new TermBegan(1), new TermBegan(2)), events(EventQuery.all()));
    }

    @Test
    void a_list_that_is_changed_after_it_was_copied_does_not_change_what_is_appended() {
        // given a catalog that changes the list when it is asked for the tags of its events
        var events = new ArrayList<Object>(List.of(new CourseOpened("maths", 1), new CourseOpened("latin", 1)));
        var catalog = Catalog.builder()
                .event("course-opened", CourseOpened.class, event -> {
                    events.set(0, "no event at all");
                    events.set(1, new CourseOpened("greek", 1));
                    return Set.of(course(event.course()));
                })
                .build();
        store = emptyStore(catalog, clock);

        // when
        store.append(events, AppendCondition.none());
        events.clear();

        // then
        assertEquals(List.of(new CourseOpened("maths", 1), new CourseOpened("latin", 1)), events(EventQuery.all()));
        assertEquals(List.of(new CourseOpened("latin", 1)), events(LATIN));
        assertEquals(List.of(), events(EventQuery.tagged(course("greek"))));
    }

    @Test
    void a_list_that_another_thread_changes_is_appended_whole_or_not_at_all() {
        // given
        var shared = new ArrayList<Object>(List.of(new TermBegan(0)));
        var done = new AtomicBoolean();

        // when one thread appends a list that another one changes, for a second, or less where that is fast
        var results = Together.<Integer>run(2, thread -> () -> {
            int written = 0;
            if (thread == 0) {
                try {
                    long begin = System.nanoTime();
                    for (int i = 0; i < 2_000 && (i < 10 || System.nanoTime() - begin < 1_000_000_000); i++) {
                        written += sizeIfAppended(shared);
                    }
                } finally {
                    done.set(true);
                }
            }
            for (int i = 0; !done.get(); i++) {
                if (i % 4 == 3) {
                    shared.clear();
                } else {
                    shared.add(new TermBegan(i));
                }
            }
            return written;
        });

        // then
        assertEquals(results.get(0), events(EventQuery.all()).size());
        assertEquals(results.get(0), events(EventQuery.types(TermBegan.class)).size());
        assertStillWorks();
    }

    @Test
    void a_catalog_that_fails_to_tag_an_event_leaves_the_store_unchanged() {
        // given
        var mine = new IllegalStateException("mine");
        var catalog = Catalog.builder()
                .event("course-opened", CourseOpened.class, event -> {
                    if (event.seats() < 0) {
                        throw mine;
                    }
                    return Set.of(course(event.course()));
                })
                .build();
        store = emptyStore(catalog, clock);
        store.append(List.of(new CourseOpened("maths", 1)), AppendCondition.none());

        // when
        var thrown = assertThrows(
                RuntimeException.class,
                () -> store.append(
                        List.of(new CourseOpened("latin", 1), new CourseOpened("latin", -1)), AppendCondition.none()));

        // then
        assertSame(mine, thrown);
        assertEquals(List.of(new CourseOpened("maths", 1)), events(EventQuery.all()));
        assertEquals(List.of(), events(LATIN));
        store.append(List.of(new CourseOpened("latin", 2)), AppendCondition.absent(LATIN));
        assertEquals(List.of(new CourseOpened("latin", 2)), events(LATIN));
    }

    @Test
    void a_clock_that_fails_leaves_the_store_unchanged() {
        // given
        var mine = new IllegalStateException("mine");
        givenTheTerm();

        // when
        clock.onReading(() -> {
            throw mine;
        });
        var thrown = assertThrows(
                RuntimeException.class, () -> append(AppendCondition.none(), new Subscribed("greek", "eve")));
        clock.onReading(() -> {});

        // then
        assertSame(mine, thrown);
        assertEquals(nth(8), store.head());
        assertEquals(TERM, events(EventQuery.all()));
        assertReads(EVE);
        assertStillWorks();
    }

    // ------------------------------------------------------------------------------------------------- at random

    @Test
    void a_random_history_agrees_with_a_simple_model() {
        for (long seed : Chance.seeds(20)) {
            var time = new HandClock(START_OF_TERM);
            new RandomHistory(emptyStore(CATALOG, time), time, seed).run(200);
        }
    }

    @Test
    void every_append_in_a_race_is_justified_and_a_reader_finds_no_gap() {
        for (long seed : Chance.seeds(2)) {
            new Race(emptyStore(CATALOG, new Race.JumpyClock(START_OF_TERM)), seed).run(4, 250);
        }
    }

    @Test
    void who_reads_beside_appends_finds_each_of_them_whole_or_not_at_all() {
        // given appends of many events, so that most of the time one is being written
        var batch = IntStream.range(0, 200)
                .<Object>mapToObj(i -> new Subscribed("maths", "s" + i))
                .toList();
        var going = new AtomicBoolean(true);

        // when one thread appends, and another one looks again and again
        var results = Together.<Set<Position>>run(2, thread -> () -> {
            try {
                return thread == 0 ? lastOfEach(batch, going) : headsBeside(batch, going);
            } finally {
                going.set(false);
            }
        });

        // then
        var last = results.get(0);
        assertFalse(last.contains(Position.START));
        assertEquals(last.size() * 2, events(firstAndLast(batch)).size());
        var heads = new HashSet<>(results.get(1));
        heads.removeAll(last);
        heads.remove(Position.START);
        assertEquals(Set.of(), heads, "heads in the middle of an append");
    }

    /** Appends for a second, or less where that is fast. */
    private Set<Position> lastOfEach(List<Object> batch, AtomicBoolean going) {
        var last = new HashSet<Position>();
        long begin = System.nanoTime();
        for (int i = 0; i < 1_000 && going.get() && (i < 10 || System.nanoTime() - begin < 1_000_000_000); i++) {
            last.add(store.append(batch, AppendCondition.none()).last());
        }
        return last;
    }

    /** Looks at what is new in several ways. */
    private Set<Position> headsBeside(List<Object> batch, AtomicBoolean going) {
        var reversed = new ArrayList<>(batch);
        Collections.reverse(reversed);
        var heads = new HashSet<Position>();
        var seen = Position.START;
        while (going.get()) {
            Position head;
            do {
                head = store.head();
            } while (head.equals(seen) && going.get());
            heads.add(head);
            var fresh = ReadOptions.forwards().after(seen);
            assertEquals(0, events(firstAndLast(batch), fresh).size() % 2, "first and last events of appends");
            var newest = events(MATHS, ReadOptions.backwards().limit(batch.size()));
            assertTrue(newest.isEmpty() || newest.equals(reversed), () -> "the newest: " + newest);
            try (var stream = store.read(EventQuery.all(), fresh)) {
                assertEquals(0, rest(stream).size() % batch.size(), "events of whole appends");
                seen = stream.head();
                heads.add(seen);
            }
        }
        return heads;
    }

    private static EventQuery firstAndLast(List<Object> batch) {
        return EventQuery.tagged(student("s0")).or(EventQuery.tagged(student("s" + (batch.size() - 1))));
    }

    @Test
    void of_appends_that_race_for_the_same_absence_exactly_one_happens() {
        int rounds = 500;

        int won = winsOf(rounds, round -> AppendCondition.absent(EventQuery.tagged(course("c" + round))));

        assertEquals(rounds, won);
        assertEquals(rounds, events(EventQuery.all()).size());
        for (int round = 0; round < rounds; round++) {
            assertEquals(1, events(EventQuery.tagged(course("c" + round))).size());
        }
    }

    @Test
    void of_appends_that_race_on_the_same_read_exactly_one_happens() {
        int rounds = 500;

        int won = winsOf(rounds, round -> {
            try (var stream = store.read(EventQuery.types(Subscribed.class))) {
                return stream.unchanged();
            }
        });

        assertEquals(rounds, won);
        assertEquals(rounds, events(EventQuery.all()).size());
    }

    /** Has two threads take their conditions, then append at the same instant, and counts the appends that happened. */
    private int winsOf(int rounds, IntFunction<AppendCondition> condition) {
        var gate = new Together.Gate(2);
        var wins = Together.<Integer>run(2, thread -> () -> {
            int won = 0;
            try {
                for (int round = 0; round < rounds; round++) {
                    var taken = condition.apply(round);
                    gate.pass();
                    if (isAppended(new Subscribed("c" + round, "s" + thread), taken)) {
                        won++;
                    }
                    gate.pass();
                }
            } finally {
                gate.open();
            }
            return won;
        });
        return wins.stream().mapToInt(Integer::intValue).sum();
    }

    private boolean isAppended(CampusEvent event, AppendCondition condition) {
        try {
            store.append(List.of(event), condition);
            return true;
        } catch (AppendConflictException e) {
            return false;
        }
    }

    @Test
    void no_decision_is_lost_when_many_read_decide_and_append_until_they_succeed() {
        // given a course with fewer seats than there are threads that want them
        int threads = 4;
        int seats = 100;
        var free = Fold.from(0)
                .on(CourseOpened.class, (left, opened) -> left + opened.seats())
                .on(Subscribed.class, (left, subscribed) -> left - 1);
        append(AppendCondition.none(), new CourseOpened("maths", seats));

        // when
        var taken = Together.<Integer>run(threads, thread -> () -> {
            int mine = 0;
            for (int attempt = 0; attempt < threads * seats * 10; attempt++) {
                try (var stream = store.read(MATHS)) {
                    if (stream.fold(free) == 0) {
                        break;
                    }
                    store.append(List.of(new Subscribed("maths", "s" + thread)), stream.unchanged());
                    mine++;
                } catch (AppendConflictException e) {
                    assertTrue(e.isRetryable());
                }
            }
            return mine;
        });

        // then
        assertEquals(seats, taken.stream().mapToInt(Integer::intValue).sum());
        assertEquals(seats, events(EventQuery.types(Subscribed.class)).size());
        for (int thread = 0; thread < threads; thread++) {
            assertEquals(
                    taken.get(thread),
                    events(EventQuery.tagged(student("s" + thread))).size());
        }
    }

    // ------------------------------------------------------------------------------------------------- helpers

    /** A signal that is asked before an append. */
    private record Veto(Runnable before, Consumer<Position> after) implements EventStore.Signal {

        Veto(Runnable before) {
            this(before, last -> {});
        }

        @Override
        public void beforeAppend() {
            before.run();
        }

        @Override
        public void appended(Position last) {
            after.accept(last);
        }
    }

    private void givenTheTerm() {
        given(List.of(TERM.subList(0, 1), TERM.subList(1, 4), TERM.subList(4, 8)));
    }

    /** One event of maths and Ada, thousands of others, one event of Latin and Bob, and as many others again. */
    private List<CampusEvent> givenALongLog() {
        var parts = Stream.of(new Subscribed("maths", "ada"), new Subscribed("latin", "bob"))
                .map(first -> Stream.concat(
                                Stream.of(first),
                                IntStream.range(0, THOUSANDS).mapToObj(i -> new Unsubscribed("c" + i % 10, "s" + i)))
                        .toList())
                .toList();
        given(parts);
        return parts.stream().<CampusEvent>flatMap(List::stream).toList();
    }

    /** An event for each text of four digits, in a store of their own catalog. */
    private List<Marked> givenMarks() {
        store = emptyStore(MARKS, clock);
        var events = FOUR_MARKS.stream().map(Marked::new).toList();
        given(List.of(events));
        return events;
    }

    private static Set<Tag> marks(String marks) {
        return IntStream.range(0, marks.length())
                .filter(i -> marks.charAt(i) != '.')
                .mapToObj(i -> Tag.of("mark" + i, marks.substring(i, i + 1)))
                .collect(Collectors.toUnmodifiableSet());
    }

    private static EventQuery marked(String marks) {
        return EventQuery.of(List.of(new EventQuery.Item(Set.of(), marks(marks))));
    }

    private static String allButOne(String marks, int wrong) {
        return marks.substring(0, wrong) + "?" + marks.substring(wrong + 1);
    }

    /** By turns for a tag, for a type and a tag, and for two tags, all of them different. */
    private static EventQuery manyItems() {
        return EventQuery.of(IntStream.range(0, MANY_ITEMS)
                .mapToObj(item -> new EventQuery.Item(
                        item % 3 == 1 ? Set.of(Subscribed.class) : Set.of(),
                        item % 3 == 2
                                ? Set.of(course("c" + item), student("s" + item % 7))
                                : Set.of(course("c" + item))))
                .toList());
    }

    private static CampusEvent fitting(int item) {
        return new Subscribed("c" + item, "s" + item % 7);
    }

    private void given(List<? extends List<?>> parts) {
        positions.clear();
        positions.add(Position.START);
        for (var part : parts) {
            var appended = store.append(part, AppendCondition.none());
            LongStream.rangeClosed(appended.first().value(), appended.last().value())
                    .mapToObj(Position::of)
                    .forEach(positions::add);
        }
        assertEquals(parts.stream().mapToInt(List::size).sum() + 1, positions.size(), "positions of the given events");
    }

    /** The position of a given event, which is its number where the store leaves out none. */
    private Position nth(int number) {
        return positions.get(number);
    }

    private Appended append(AppendCondition condition, Object... events) {
        return store.append(events.length == 0 ? List.of(new TermBegan(9999)) : List.of(events), condition);
    }

    private AppendCondition inTheFuture(EventQuery query, long ahead) {
        return AppendCondition.unchanged(query, Position.of(store.head().value() + ahead));
    }

    /** How many events were written: none where the store refused the list as it found it. */
    private int sizeIfAppended(List<?> events) {
        try {
            var appended = store.append(events, AppendCondition.none());
            return (int) (appended.last().value() - appended.first().value()) + 1;
        } catch (ConcurrentModificationException
                | IndexOutOfBoundsException
                | IllegalArgumentException
                | NoSuchElementException // by an iterator, of a list that became shorter
                | NullPointerException e) {
            return 0;
        }
    }

    private List<RecordedEvent> log() {
        try (var stream = store.read(EventQuery.all())) {
            return stream.toList();
        }
    }

    private List<Object> events(EventQuery query) {
        try (var stream = store.read(query)) {
            return rest(stream);
        }
    }

    private List<Object> events(EventQuery query, ReadOptions options) {
        try (var stream = store.read(query, options)) {
            return rest(stream);
        }
    }

    private static List<Object> rest(EventStream stream) {
        return stream.toList().stream().map(RecordedEvent::event).toList();
    }

    private void assertReads(EventQuery query, int... numbers) {
        assertReads(query, ReadOptions.forwards(), numbers);
    }

    private void assertReads(EventQuery query, ReadOptions options, int... numbers) {
        var expected = Arrays.stream(numbers).mapToObj(n -> TERM.get(n - 1)).toList();
        var places = Arrays.stream(numbers).mapToObj(this::nth).toList();
        try (var stream = store.read(query, options)) {
            var read = stream.toList();
            assertEquals(
                    expected,
                    read.stream().map(RecordedEvent::event).toList(),
                    () -> "events of " + query + ", " + options);
            assertEquals(
                    places,
                    read.stream().map(RecordedEvent::position).toList(),
                    () -> "positions of " + query + ", " + options);
        }
    }

    private void assertAllowed(AppendCondition condition) {
        var before = store.head();
        var appended = store.append(List.of(new TermBegan(1)), condition);
        assertTrue(appended.first().isAfter(before), condition::toString);
        assertEquals(appended.last(), store.head(), condition::toString);
    }

    /** The event numbers are those that may be named as the reason. */
    private void assertRefused(AppendCondition condition, Integer... numbers) {
        var before = store.head();
        var conflict = assertThrows(AppendConflictException.class, () -> append(condition), condition::toString);
        assertTrue(condition.clauses().contains(conflict.clause()), conflict::toString);
        assertEquals(conflict.clause().isRetryable(), conflict.isRetryable(), conflict::toString);
        assertTrue(
                Arrays.stream(numbers).map(this::nth).anyMatch(conflict.position()::equals),
                () -> "expected one of the events " + Arrays.toString(numbers) + " as the reason: " + conflict);
        assertEquals(before, store.head(), condition::toString);
    }

    private <T extends RuntimeException> T assertBadInput(Class<T> expected, Executable call) {
        var before = store.head();
        var thrown = assertThrows(expected, call);
        assertEquals(before, store.head());
        assertEquals(List.of(), events(EVE), "nothing of a refused append is in the log");
        assertStillWorks();
        return thrown;
    }

    private void assertStillWorks() {
        var before = log();
        var metadata = Metadata.withId("still");
        var appended = store.append(List.of(new CourseOpened("good", 1)), AppendCondition.none(), metadata);
        assertEquals(appended.last(), store.head());
        var now = log();
        assertEquals(before, now.subList(0, before.size()));
        assertEquals(before.size() + 1, now.size());
        var last = now.get(before.size());
        assertEquals(new CourseOpened("good", 1), last.event());
        assertEquals(appended.first(), last.position());
        assertEquals(Set.of(course("good")), last.tags());
        assertEquals(metadata, last.metadata());
        assertEquals(
                List.of(new CourseOpened("good", 1)),
                events(
                        EventQuery.tagged(course("good")),
                        ReadOptions.forwards()
                                .after(Position.of(appended.first().value() - 1))));
    }

    private static void assertNoCurrentEvent(EventStream stream) {
        assertThrows(IllegalStateException.class, stream::event);
        assertThrows(IllegalStateException.class, stream::position);
        assertThrows(IllegalStateException.class, stream::name);
        assertThrows(IllegalStateException.class, stream::tags);
        assertThrows(IllegalStateException.class, stream::metadata);
        assertThrows(IllegalStateException.class, stream::recordedAt);
        assertThrows(IllegalStateException.class, stream::recorded);
    }
}
