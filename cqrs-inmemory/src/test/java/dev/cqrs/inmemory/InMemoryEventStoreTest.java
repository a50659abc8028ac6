package dev.cqrs.inmemory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the contract leaves to the store: sizes past its chunks, the choice of a way through its indexes, costs. */
@Timeout(300)
class InMemoryEventStoreTest {

    sealed interface Event {
        Set<Tag> tags();
    }

    record Red(int id, Set<Tag> tags) implements Event {}

    record Green(int id, Set<Tag> tags) implements Event {}

    record Blue(int id, Set<Tag> tags) implements Event {}

    static final Tag RARE = Tag.of("size", "rare");
    static final Tag COMMON = Tag.of("size", "common");
    static final Tag HALF = Tag.of("half", "yes");

    final InMemoryEventStore store = new InMemoryEventStore(catalog(), Clock.systemUTC());

    static Catalog catalog() {
        return Catalog.builder()
                .event("red", Red.class)
                .event("green", Green.class)
                .event("blue", Blue.class)
                .tags(Event.class, Event::tags)
                .build();
    }

    @Test
    @SuppressWarnings("NullAway") // nulls are handed over to see them refused
    void a_store_needs_a_catalog_and_a_clock() {
        assertThatThrownBy(() -> new InMemoryEventStore(null, Clock.systemUTC()))
                .isInstanceOf(NullPointerException.class)
                .hasMessage("catalog");
        assertThatThrownBy(() -> new InMemoryEventStore(catalog(), null))
                .isInstanceOf(NullPointerException.class)
                .hasMessage("clock");
    }

    @Test
    @SuppressWarnings("NullAway") // as above
    void an_event_that_is_null_is_refused_by_its_number() {
        assertThatThrownBy(() -> store.append(Arrays.asList(new Red(1, Set.of()), null), AppendCondition.none()))
                .isInstanceOf(NullPointerException.class)
                .hasMessage("Event 1 of the 2 in the batch is null.");
    }

    static Event event(int id, SplittableRandom random) {
        var tags = new HashSet<Tag>();
        tags.add(COMMON);
        if (random.nextInt(500) == 0) {
            tags.add(RARE);
        }
        if (random.nextBoolean()) {
            tags.add(HALF);
        }
        int kind = random.nextInt(1_000);
        return kind == 0 ? new Blue(id, tags) : kind < 200 ? new Green(id, tags) : new Red(id, tags);
    }

    /** Across the bounds of chunks and of blocks of postings, which both hold 1,024. */
    @Test
    void every_query_finds_in_a_long_log_just_what_looking_at_each_event_finds() {
        long seed = 20_261_123;
        var random = new SplittableRandom(seed);
        var all = new ArrayList<Event>();
        while (all.size() < 10_000) {
            var batch = IntStream.range(0, 1 + random.nextInt(50))
                    .mapToObj(i -> event(all.size() + i + 1, random))
                    .toList();
            store.append(batch, AppendCondition.none());
            all.addAll(batch);
        }
        var queries = List.of(
                EventQuery.all(),
                EventQuery.tagged(RARE),
                EventQuery.tagged(COMMON),
                EventQuery.tagged(COMMON, RARE),
                EventQuery.tagged(HALF, RARE),
                EventQuery.tagged(Tag.of("no", "such")),
                EventQuery.types(Blue.class),
                EventQuery.types(Blue.class, Green.class),
                EventQuery.types(Event.class),
                EventQuery.types(Blue.class).withTags(COMMON),
                EventQuery.types(Green.class, Blue.class).withTags(RARE, HALF),
                EventQuery.tagged(RARE).or(EventQuery.types(Blue.class)),
                EventQuery.tagged(RARE).or(EventQuery.types(Blue.class)).or(EventQuery.tagged(COMMON, HALF)),
                EventQuery.tagged(Tag.of("no", "such")).or(EventQuery.tagged(RARE)));
        for (var query : queries) {
            for (int i = 0; i < 40; i++) {
                int far = random.nextBoolean() ? all.size() : 40; // few are passed over, which is another way to them
                long after = random.nextBoolean() ? 0 : random.nextInt(all.size());
                long until = far > 40 && random.nextBoolean()
                        ? all.size()
                        : after + random.nextInt(Math.min(far, all.size() - (int) after) + 1);
                long limit = random.nextBoolean() ? Long.MAX_VALUE : random.nextInt(30);
                boolean backwards = random.nextBoolean();
                var options = (backwards ? ReadOptions.backwards() : ReadOptions.forwards())
                        .after(Position.of(after))
                        .until(Position.of(until))
                        .limit(limit);
                var expected = IntStream.rangeClosed((int) after + 1, (int) until)
                        .boxed()
                        .sorted(backwards ? Comparator.reverseOrder() : Comparator.naturalOrder())
                        .filter(p -> query.matches(
                                all.get(p - 1).getClass(), all.get(p - 1).tags()))
                        .limit(limit)
                        .map(p -> all.get(p - 1))
                        .toList();

                var why = "seed " + seed + ", " + query + ", " + options;
                var read = new ArrayList<Object>();
                try (var events = store.read(query, options)) {
                    while (events.advance()) {
                        read.add(events.event());
                    }
                }
                assertThat(read.equals(expected)).as("one by one, %s", why).isTrue();
                var list = Fold.<List<Object>>fresh(ArrayList::new).change(Event.class, List::add);
                try (var events = store.read(query, options)) {
                    assertThat(events.fold(list).equals(expected))
                            .as("folded, %s", why)
                            .isTrue();
                }
                try (var events = store.read(query, options)) {
                    var run = list.run(list.initial());
                    assertThat(events.fold(run)).as("by a run, %s", why).isEqualTo(expected.size());
                    assertThat(run.state().equals(expected))
                            .as("by a run, %s", why)
                            .isTrue();
                }
                try (var events = store.read(query, options)) {
                    var array = new Object[700];
                    var positions = new long[array.length];
                    read.clear();
                    for (int n = array.length; n == array.length; ) {
                        n = events.advance(array, positions);
                        for (int k = 0; k < n; k++) {
                            read.add(all.get((int) positions[k] - 1) == array[k] ? array[k] : "misplaced");
                        }
                    }
                    assertThat(read.equals(expected)).as("by arrays, %s", why).isTrue();
                }
            }
        }
    }

    @Test
    void folding_a_range_by_column_gives_what_folding_event_by_event_gives() {
        var random = new SplittableRandom(7);
        store.append(
                IntStream.rangeClosed(1, 5_000).mapToObj(i -> event(i, random)).toList(), AppendCondition.none());
        Fold<Long> fold =
                Fold.from(0L).on(Event.class, (sum, e) -> sum * 31 + 1).on(Green.class, (sum, e) -> sum * 31 + e.id());

        for (long after : new long[] {0, 1, 1_023, 1_024, 1_025, 4_999, 5_000}) {
            var options = ReadOptions.forwards().after(Position.of(after));
            try (var whole = store.read(EventQuery.all(), options);
                    var stepwise = store.read(EventQuery.all(), options)) {
                long expected = fold.initial();
                while (stepwise.advance()) {
                    expected = fold.apply(expected, stepwise.event());
                }

                assertThat(whole.fold(fold)).isEqualTo(expected);
                assertThat(whole.advance()).isFalse();
            }
        }
    }

    @Test
    void a_fold_goes_on_where_the_cursor_stands() {
        store.append(List.of(new Red(1, Set.of()), new Red(2, Set.of()), new Red(3, Set.of())), AppendCondition.none());
        var sum = Fold.from(0).on(Red.class, (s, e) -> s + e.id());
        try (var events = store.read(EventQuery.all())) {
            assertThat(events.advance()).isTrue();

            assertThat(events.fold(sum)).isEqualTo(5);
        }
    }

    @Test
    void after_a_fold_no_event_is_current_also_where_another_fold_has_thrown_before() {
        store.append(List.of(new Red(1, Set.of()), new Red(2, Set.of()), new Red(3, Set.of())), AppendCondition.none());
        var sum = Fold.from(0).on(Red.class, (s, e) -> s + e.id());
        var failing = Fold.from(0).on(Red.class, (s, e) -> {
            throw new IllegalStateException("at " + e.id());
        });
        try (var events = store.read(EventQuery.all())) {
            assertThatThrownBy(() -> events.fold(failing.run(0))).hasMessage("at 1");
            assertThat(events.position()).isEqualTo(Position.of(1));

            assertThat(events.fold(sum)).isEqualTo(5);

            assertThatThrownBy(events::position)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("No event is current");
            assertThat(events.advance()).isFalse();
        }
    }

    @Test
    void metadata_is_kept_with_its_own_events_only() {
        store.append(List.of(new Red(1, Set.of())), AppendCondition.none());
        store.append(List.of(new Red(2, Set.of())), AppendCondition.none(), Metadata.withId("x"));
        store.append(List.of(new Red(3, Set.of())), AppendCondition.none());

        try (var events = store.read(EventQuery.all())) {
            assertThat(events.toList())
                    .extracting(e -> e.metadata().id().orElse("-"))
                    .containsExactly("-", "x", "-");
        }
    }

    @Test
    void metadata_is_kept_where_only_the_last_events_of_a_chunk_have_any() {
        for (int before : new int[] {1_022, 1_023, 1_024}) {
            var store = new InMemoryEventStore(catalog(), Clock.systemUTC());
            store.append(Collections.nCopies(before, new Red(0, Set.of())), AppendCondition.none());
            store.append(List.of(new Red(1, Set.of())), AppendCondition.none(), Metadata.withId("one"));
            store.append(
                    Collections.nCopies(1_025, new Red(2, Set.of())), AppendCondition.none(), Metadata.withId("many"));

            try (var events = store.read(EventQuery.all())) {
                while (events.advance()) {
                    var id = events.metadata().id().orElse("none");
                    assertThat(id).isEqualTo(List.of("none", "one", "many").get(((Red) events.event()).id()));
                }
            }
        }
    }

    /** The first block of a posting holds 1,024 entries, and so does each that follows. */
    @Test
    void what_is_behind_a_position_is_found_by_tag_and_by_type_however_many_there_are() {
        var count = Fold.from(0).on(Red.class, (n, e) -> n + 1);
        for (int size = 1; size <= 3_080; size++) {
            store.append(List.of(new Red(size, Set.of(COMMON))), AppendCondition.none());
            if (size > 10 && (size + 10) % 1_024 > 20) {
                continue;
            }
            for (int after : new int[] {0, 1, 2, size / 2, 1_023, 1_024, 1_025, size - 1, size}) {
                int from = Math.min(after, size);
                for (var query : List.of(EventQuery.tagged(COMMON), EventQuery.types(Red.class))) {
                    for (int until : new int[] {size, Math.max(from, size - 1)}) {
                        var part =
                                ReadOptions.forwards().after(Position.of(from)).until(Position.of(until));
                        try (var events = store.read(query, part)) {
                            assertThat(events.fold(count))
                                    .as("%s events, %s, %s", size, query, part)
                                    .isEqualTo(until - from);
                        }
                        try (var events = store.read(query, part)) {
                            assertThat(events.advance()).isEqualTo(until > from);
                            if (until > from) {
                                assertThat(events.position()).isEqualTo(Position.of(from + 1));
                            }
                        }
                    }
                }
            }
        }
    }

    @Test
    void a_feed_finds_what_is_appended_after_it_was_made_also_by_tags_that_are_new() {
        // given feeds of an empty store
        var queries = List.of(
                EventQuery.all(),
                EventQuery.tagged(RARE),
                EventQuery.tagged(HALF, COMMON),
                EventQuery.types(Green.class),
                EventQuery.types(Red.class).withTags(HALF).or(EventQuery.types(Blue.class)));
        var feeds =
                queries.stream().map(query -> store.feed(query).orElseThrow()).toList();
        var all = List.<Event>of(
                new Red(1, Set.of(COMMON)),
                new Blue(2, Set.of()),
                new Red(3, Set.of(HALF, COMMON)),
                new Green(4, Set.of(RARE)),
                new Red(5, Set.of(RARE, HALF)));

        for (int head = 0; head <= all.size(); head++) {
            if (head > 0) {
                store.append(List.of(all.get(head - 1)), AppendCondition.none());
            }
            for (int i = 0; i < queries.size(); i++) {
                for (int after = 0; after <= all.size() + 1; after++) {
                    for (int until = after; until <= all.size() + 1; until++) {
                        var events = new Object[2];
                        var positions = new long[2];
                        int count = feeds.get(i).read(Position.of(after), Position.of(until), events, positions);

                        // then
                        var query = queries.get(i);
                        var expected = IntStream.rangeClosed(after + 1, Math.min(until, head))
                                .filter(p -> query.matches(
                                        all.get(p - 1).getClass(),
                                        all.get(p - 1).tags()))
                                .limit(2)
                                .toArray();
                        assertThat(Arrays.stream(positions, 0, count).mapToInt(p -> (int) p))
                                .as("%s of %s events, after %s until %s", query, head, after, until)
                                .containsExactly(Arrays.stream(expected).boxed().toArray(Integer[]::new));
                        for (int k = 0; k < count; k++) {
                            assertThat(events[k]).isSameAs(all.get(expected[k] - 1));
                        }
                    }
                }
            }
        }
    }

    @Test
    void a_feed_of_a_type_that_the_catalog_does_not_know_is_refused() {
        assertThatThrownBy(() -> store.feed(EventQuery.types(String.class))).isInstanceOf(UnknownEventException.class);
        assertThatThrownBy(() -> store.feed(EventQuery.tagged(RARE)
                        .or(EventQuery.types(String.class).withTags(HALF))))
                .isInstanceOf(UnknownEventException.class);
    }

    @Test
    void a_refused_append_leaves_nothing_behind_not_even_its_tags() {
        store.append(List.of(new Red(1, Set.of(RARE))), AppendCondition.none());
        var absent = AppendCondition.absent(EventQuery.tagged(RARE));

        assertThatThrownBy(() -> store.append(List.of(new Red(2, Set.of(HALF))), absent))
                .isInstanceOf(AppendConflictException.class);

        try (var events = store.read(EventQuery.tagged(HALF))) {
            assertThat(events.advance()).isFalse();
        }
        store.append(List.of(new Red(3, Set.of(HALF))), AppendCondition.absent(EventQuery.tagged(HALF)));
        assertThat(store.head()).isEqualTo(Position.of(2));
    }

    /**
     * A clause's cost shows in what it looks at: were it the history, a hundred thousand appends to an entity with two
     * hundred thousand events would look at 20,000,000,000 entries and take minutes.
     */
    @Test
    void a_clause_on_a_tag_and_types_costs_the_same_whatever_the_history() {
        store.append(
                IntStream.range(0, 200_000)
                        .mapToObj(i -> new Red(i, Set.of(COMMON)))
                        .toList(),
                AppendCondition.none());
        var neverGreen = AppendCondition.absent(EventQuery.types(Green.class).withTags(COMMON))
                .and(AppendCondition.absent(EventQuery.types(Blue.class)))
                .and(AppendCondition.absent(EventQuery.tagged(COMMON, RARE)));
        for (int i = 0; i < 100_000; i++) {
            store.append(List.of(new Red(i, Set.of(COMMON))), neverGreen);
        }

        store.append(List.of(new Green(1, Set.of(COMMON))), neverGreen);
        assertThatThrownBy(() -> store.append(List.of(new Red(1, Set.of(COMMON))), neverGreen))
                .isInstanceOfSatisfying(
                        AppendConflictException.class,
                        e -> assertThat(e.position()).isEqualTo(Position.of(300_001)));
    }

    /** As above; several pairs in both orders, as it is by chance which tag of a set comes first. */
    @Test
    void a_clause_and_a_read_of_several_tags_cost_what_the_rarest_has() {
        var rare = IntStream.range(0, 8)
                .mapToObj(i -> Tag.of("rare", Integer.toString(i)))
                .toList();
        rare.forEach(tag -> store.append(List.of(new Blue(0, Set.of(tag))), AppendCondition.none()));
        store.append(
                IntStream.range(0, 200_000)
                        .mapToObj(i -> new Red(i, Set.of(COMMON)))
                        .toList(),
                AppendCondition.none());
        for (int i = 0; i < 100_000; i++) {
            var one = rare.get(i % 8);
            var both = i % 16 < 8 ? EventQuery.tagged(COMMON, one) : EventQuery.tagged(one, COMMON);
            store.append(List.of(new Red(i, Set.of(COMMON))), AppendCondition.absent(both));
            try (var events = store.read(both)) {
                assertThat(events.advance()).isFalse();
            }
        }

        assertThat(store.head()).isEqualTo(Position.of(300_008));
    }

    /** As above: each of the hundred thousand reads would pass over two hundred thousand events. */
    @Test
    void reading_a_rare_type_of_a_long_history_does_not_pass_over_the_history() {
        store.append(List.of(new Green(0, Set.of(COMMON))), AppendCondition.none());
        store.append(
                IntStream.range(0, 200_000)
                        .mapToObj(i -> new Red(i, Set.of(COMMON)))
                        .toList(),
                AppendCondition.none());
        var green = EventQuery.types(Green.class).withTags(COMMON);
        var count = Fold.from(0).on(Green.class, (n, e) -> n + 1);
        int found = 0;
        for (int i = 0; i < 100_000; i++) {
            try (var events = store.read(green)) {
                found += events.fold(count);
            }
        }

        assertThat(found).isEqualTo(100_000);
    }

    @Test
    void a_snapshot_stays_what_it_was_while_others_append() throws Exception {
        store.append(
                IntStream.range(0, 3_000)
                        .mapToObj(i -> new Red(i, Set.of(COMMON)))
                        .toList(),
                AppendCondition.none());
        try (var all = store.read(EventQuery.all());
                var tagged = store.read(EventQuery.tagged(COMMON))) {
            var writer = new Thread(() -> {
                for (int i = 0; i < 3_000; i++) {
                    store.append(List.of(new Red(i, Set.of(COMMON, HALF))), AppendCondition.none());
                }
            });
            writer.start();
            int seen = 0;
            while (all.advance() && tagged.advance()) {
                assertThat(all.position()).isEqualTo(tagged.position());
                seen++;
            }
            writer.join();

            assertThat(seen).isEqualTo(3_000);
            assertThat(all.head()).isEqualTo(Position.of(3_000));
        }
    }

    /** Readers race with growing postings: each must see every event up to its head, by whichever index. */
    @Test
    void a_reader_beside_a_writer_misses_nothing_up_to_its_head() throws Exception {
        var writer = new Thread(() -> {
            for (int i = 1; i <= 60_000; i++) {
                store.append(
                        List.of(new Red(i, Set.of(COMMON, Tag.of("id", Integer.toString(i % 100))))),
                        AppendCondition.none());
            }
        });
        writer.start();
        var count = Fold.from(0).on(Red.class, (n, e) -> n + 1);
        while (writer.isAlive()) {
            try (var byTag = store.read(EventQuery.tagged(COMMON), ReadOptions.backwards());
                    var byType = store.read(EventQuery.types(Red.class), ReadOptions.forwards());
                    var one = store.read(EventQuery.tagged(Tag.of("id", "7")))) {
                assertThat((long) byTag.fold(count)).isEqualTo(byTag.head().value());
                assertThat((long) byType.fold(count)).isEqualTo(byType.head().value());
                assertThat((long) one.fold(count)).isEqualTo((one.head().value() + 93) / 100);
            }
        }
        writer.join();
        assertThat(store.head()).isEqualTo(Position.of(60_000));
    }
}
