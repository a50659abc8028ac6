package dev.cqrs.contract;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;

/** A plain event store under one lock, correct unless it is given a fault. */
final class FaultyEventStore implements EventStore {

    /** What an author of a store may get wrong, and the test that finds it. */
    enum Fault {
        NONE(""),
        IGNORES_AFTER("only_events_after_a_position_are_read"),
        AFTER_IS_INCLUSIVE("only_events_after_a_position_are_read"),
        IGNORES_UNTIL("only_events_until_a_position_are_read"),
        LIMITS_FROM_THE_OLDEST("options_work_together_in_both_directions"),
        BOUNDS_TURN_AROUND_BACKWARDS("every_combination_of_options_agrees_with_their_definition"),
        ANY_TAG_IS_ENOUGH("a_query_for_several_tags_gives_the_events_that_have_all_of_them"),
        TWO_TAGS_ARE_ENOUGH("a_query_for_three_and_more_tags_gives_the_events_that_have_all_of_them"),
        THIRTY_TWO_ITEMS_ONLY("a_query_of_hundreds_of_items_gives_the_events_that_fit_any_of_them"),
        MORE_THAN_TWENTY_ITEMS_ARE_ALL_EVENTS("a_query_of_hundreds_of_items_gives_the_events_that_fit_any_of_them"),
        FIRST_ITEM_ONLY("a_query_of_several_items_gives_the_events_that_fit_any_each_once"),
        TWICE_FOR_TWO_ITEMS("a_query_of_several_items_gives_the_events_that_fit_any_each_once"),
        EXACT_TYPES_ONLY("a_query_for_a_type_above_others_gives_the_events_of_all_below"),
        TAGS_IGNORE_CASE("tags_are_told_apart_by_key_and_by_each_character_of_the_value"),
        UNKNOWN_TYPES_MATCH_NOTHING("a_query_for_a_type_that_the_catalog_does_not_know_is_refused"),
        FEED_IS_A_SNAPSHOT("a_feed_that_was_made_before_the_events_gives_each_after_its_append"),
        FEED_FORGETS_POSITIONS("many_events_at_a_time_are_those_of_one_by_one_by_arrays_runs_and_feeds"),
        FEED_TAKES_UNKNOWN_TYPES("a_feed_of_a_type_that_the_catalog_does_not_know_is_not_given"),
        FEED_TAKES_NULL("nulls_are_refused"),
        NOTHING_IS_COMMITTED("what_was_appended_stands_for_good"),
        CONDITION_INCLUDES_ITS_POSITION(
                "an_append_happens_while_nothing_that_matches_has_been_appended_after_the_position"),
        TWO_TAGS_ARE_ENOUGH_FOR_A_CONFLICT(
                "a_condition_on_three_and_more_tags_speaks_of_the_events_that_have_all_of_them"),
        CONDITION_CHECKS_THIRTY_TWO_ITEMS("a_condition_on_hundreds_of_items_speaks_of_each_of_them"),
        CONDITION_ON_MORE_THAN_TWENTY_ITEMS_IS_ON_ALL_EVENTS("a_condition_on_hundreds_of_items_speaks_of_each_of_them"),
        CONDITION_CHECKS_THE_LAST_TEN_THOUSAND("a_condition_speaks_of_events_that_are_thousands_of_events_back"),
        CONDITION_CHECKS_ITS_OWN_EVENTS("a_condition_does_not_speak_of_the_events_it_comes_with"),
        LAST_CLAUSE_ONLY("all_clauses_must_hold"),
        LAST_CLAUSE_FIRST("the_first_clause_that_fails_is_reported"),
        FUTURE_IS_ACCEPTED("a_condition_on_a_position_behind_the_head_is_refused"),
        UNCHANGED_SINCE_THE_LAST_MATCH("what_was_read_gives_the_condition_that_it_is_unchanged"),
        UNCHANGED_SINCE_NOW("the_condition_of_a_read_fails_when_something_it_reads_was_appended_since"),
        CUT_READS_GIVE_CONDITIONS("a_read_that_was_cut_gives_no_condition"),
        READS_END_AFTER_TEN_THOUSAND("a_read_of_more_than_ten_thousand_events_gives_all_that_were_asked_for"),
        LIMITS_END_AT_TEN_THOUSAND("a_read_of_more_than_ten_thousand_events_gives_all_that_were_asked_for"),
        HALF_A_BATCH("an_event_that_the_catalog_does_not_know_is_refused_with_all_others_of_its_append"),
        LIST_IS_READ_TWICE("a_list_that_changes_while_it_is_appended_is_read_once"),
        TIME_GOES_BACK("the_time_of_recording_stands_still_while_the_clock_lags_behind"),
        METADATA_IS_LOST("metadata_is_kept_with_each_event_of_the_append"),
        STREAMS_ARE_LIVE("events_that_are_appended_after_the_read_are_not_in_the_stream"),
        HEAD_OF_A_STREAM_IS_LIVE("events_that_are_appended_after_the_read_are_not_in_the_stream"),
        CLOSED_STREAMS_GO_ON("a_closed_stream_refuses_everything_but_to_be_closed_again"),
        LAST_EVENT_STAYS_CURRENT("a_stream_has_no_event_after_the_last"),
        SIGNAL_COMES_TOO_EARLY("a_signal_comes_after_the_commit_and_before_the_append_returns"),
        SIGNAL_COMES_UNDER_THE_LOCK("no_lock_is_held_while_a_signal_is_told_of_an_append"),
        SIGNAL_BREAKS_THE_APPEND("a_signal_that_throws_disturbs_neither_the_append_nor_the_other_signals"),
        HANDLER_BREAKS_THE_APPEND(
                "a_handler_of_uncaught_exceptions_that_throws_disturbs_neither_the_append_nor_the_other_signals"),
        SIGNALS_ARE_CHOSEN_TOO_EARLY(
                "a_signal_that_is_subscribed_while_an_append_is_under_way_is_told_unless_a_read_would_tell"),
        NO_VETO("a_veto_before_an_append_leaves_the_store_unchanged"),
        CHECKED_OUTSIDE_THE_LOCK("of_appends_that_race_on_the_same_read_exactly_one_happens"),
        READERS_COME_BETWEEN_EVENTS("who_reads_beside_appends_finds_each_of_them_whole_or_not_at_all"),
        EVENTS_APPEAR_ONE_BY_ONE("every_append_in_a_race_is_justified_and_a_reader_finds_no_gap");

        final String foundBy;

        Fault(String foundBy) {
            this.foundBy = foundBy;
        }
    }

    static volatile Fault faultOfSuite = Fault.NONE;

    /** The suite on this store; nested, so that surefire does not run it by itself. */
    static class Suite extends EventStoreContract {
        @Override
        protected EventStore emptyStore(Catalog catalog, Clock clock) {
            return new FaultyEventStore(catalog, clock, faultOfSuite);
        }
    }

    private final Catalog catalog;
    private final Clock clock;
    private final Fault fault;
    private final Object lock = new Object();
    private final Object writers; // taken before the lock, and the lock itself if all is well
    private final List<RecordedEvent> log = new ArrayList<>(); // guarded by lock
    private final List<Subscriber> subscribers = new CopyOnWriteArrayList<>();

    /** A subscription of its own, though the signal may be another's too. */
    private static final class Subscriber {
        final Signal signal;

        Subscriber(Signal signal) {
            this.signal = Objects.requireNonNull(signal);
        }
    }

    FaultyEventStore(Catalog catalog, Clock clock, Fault fault) {
        this.catalog = catalog;
        this.clock = clock;
        this.fault = fault;
        this.writers = has(Fault.READERS_COME_BETWEEN_EVENTS) ? new Object() : lock;
    }

    @Override
    public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
        if (has(Fault.LIST_IS_READ_TWICE)) {
            events.forEach(event -> catalog.nameOf(event.getClass()));
        }
        var batch = List.<Object>copyOf(events);
        Objects.requireNonNull(condition);
        Objects.requireNonNull(metadata);
        if (batch.isEmpty()) {
            throw new IllegalArgumentException("no events");
        }
        var recorded = new ArrayList<RecordedEvent>();
        if (!has(Fault.HALF_A_BATCH)) {
            batch.forEach(event -> recorded.add(record(event, metadata)));
        }
        condition.clauses().forEach(clause -> checkTypes(clause.query()));
        var early = List.copyOf(subscribers);
        if (!has(Fault.NO_VETO)) {
            subscribers.forEach(subscriber -> subscriber.signal.beforeAppend());
        }
        var now = clock.instant();
        if (has(Fault.SIGNAL_COMES_TOO_EARLY)) {
            early.forEach(subscriber -> tell(subscriber, Position.of(head().value() + batch.size())));
        }
        if (has(Fault.CHECKED_OUTSIDE_THE_LOCK)) {
            synchronized (lock) {
                check(condition, batch);
            }
            pause();
        }
        Appended appended;
        synchronized (writers) {
            if (!has(Fault.CHECKED_OUTSIDE_THE_LOCK)) {
                check(condition, batch);
            }
            if (has(Fault.HALF_A_BATCH)) {
                batch.forEach(event -> write(record(event, metadata), now));
                recorded.clear();
            }
            if (!has(Fault.EVENTS_APPEAR_ONE_BY_ONE)) {
                recorded.forEach(event -> writeAlone(event, now));
            }
            appended = new Appended(Position.of(log.size() - batch.size() + 1L), Position.of(log.size()));
            if (has(Fault.SIGNAL_COMES_UNDER_THE_LOCK)) {
                subscribers.forEach(subscriber -> tell(subscriber, appended.last()));
            }
        }
        if (has(Fault.EVENTS_APPEAR_ONE_BY_ONE)) {
            for (var event : recorded) {
                synchronized (lock) {
                    write(event, now);
                }
                pause();
            }
            return new Appended(Position.of(head().value() - batch.size() + 1), head());
        }
        if (!has(Fault.SIGNAL_COMES_TOO_EARLY) && !has(Fault.SIGNAL_COMES_UNDER_THE_LOCK)) {
            (has(Fault.SIGNALS_ARE_CHOSEN_TOO_EARLY) ? early : subscribers)
                    .forEach(subscriber -> tell(subscriber, appended.last()));
        }
        return appended;
    }

    @Override
    public EventStream read(EventQuery query, ReadOptions options) {
        checkTypes(query);
        synchronized (lock) {
            return new Stream(query, options, select(query, options), head());
        }
    }

    @Override
    public Position head() {
        synchronized (lock) {
            return Position.of(log.size());
        }
    }

    @Override
    public boolean isCommitted(Position position) {
        Objects.requireNonNull(position);
        return !has(Fault.NOTHING_IS_COMMITTED);
    }

    @Override
    public Optional<Feed> feed(EventQuery query) {
        if (query == null && has(Fault.FEED_TAKES_NULL)) {
            return Optional.of((after, until, events, positions) -> 0);
        }
        if (!has(Fault.FEED_TAKES_UNKNOWN_TYPES)) {
            checkTypes(query);
        }
        var made = head();
        return Optional.of((after, until, events, positions) -> {
            var options = ReadOptions.forwards().after(after).until(until).limit(events.length);
            List<RecordedEvent> found;
            synchronized (lock) {
                found = select(query, options);
            }
            int count = 0;
            for (var event : found) {
                if (has(Fault.FEED_IS_A_SNAPSHOT) && event.position().isAfter(made)) {
                    break;
                }
                events[count] = event.event();
                if (count == events.length - 1 || !has(Fault.FEED_FORGETS_POSITIONS)) {
                    positions[count] = event.position().value();
                }
                count++;
            }
            return count;
        });
    }

    @Override
    public Catalog catalog() {
        return catalog;
    }

    @Override
    public Subscription onAppend(Signal signal) {
        var subscriber = new Subscriber(signal);
        subscribers.add(subscriber);
        return () -> subscribers.remove(subscriber);
    }

    private boolean has(Fault one) {
        return fault == one;
    }

    private void tell(Subscriber subscriber, Position last) {
        try {
            subscriber.signal.appended(last);
        } catch (Throwable thrown) {
            if (has(Fault.SIGNAL_BREAKS_THE_APPEND)) {
                throw BusContract.undeclared(thrown);
            }
            var thread = Thread.currentThread();
            try {
                thread.getUncaughtExceptionHandler().uncaughtException(thread, thrown);
            } catch (Throwable handlers) {
                if (has(Fault.HANDLER_BREAKS_THE_APPEND)) {
                    throw BusContract.undeclared(handlers);
                }
            }
        }
    }

    /** The event as it will be recorded, but for its place and time. */
    private RecordedEvent record(Object event, Metadata metadata) {
        return new RecordedEvent(
                Position.START,
                catalog.nameOf(event.getClass()),
                event,
                catalog.tagsOf(event),
                has(Fault.METADATA_IS_LOST) ? Metadata.none() : metadata,
                Instant.MIN);
    }

    private void write(RecordedEvent event, Instant now) {
        var last = log.isEmpty() ? now : log.get(log.size() - 1).recordedAt();
        log.add(new RecordedEvent(
                Position.of(log.size() + 1L),
                event.name(),
                event.event(),
                event.tags(),
                event.metadata(),
                now.isAfter(last) || has(Fault.TIME_GOES_BACK) ? now : last));
    }

    private void writeAlone(RecordedEvent event, Instant now) {
        synchronized (lock) {
            write(event, now);
        }
        if (has(Fault.READERS_COME_BETWEEN_EVENTS)) {
            pause();
        }
    }

    private void check(AppendCondition condition, List<Object> batch) {
        var clauses = new ArrayList<>(condition.clauses());
        if (has(Fault.LAST_CLAUSE_FIRST)) {
            Collections.reverse(clauses);
        }
        for (var clause : has(Fault.LAST_CLAUSE_ONLY) && clauses.size() > 1
                ? clauses.subList(clauses.size() - 1, clauses.size())
                : clauses) {
            long after = clause.after().value();
            if (after > log.size() && !has(Fault.FUTURE_IS_ACCEPTED)) {
                throw new IllegalArgumentException("in the future");
            }
            var query = asChecked(clause.query());
            for (var event : log.subList(
                    has(Fault.CONDITION_CHECKS_THE_LAST_TEN_THOUSAND) ? Math.max(0, log.size() - 10_000) : 0,
                    log.size())) {
                long position = event.position().value() + (has(Fault.CONDITION_INCLUDES_ITS_POSITION) ? 1 : 0);
                if (position > after && matches(query, event) > 0) {
                    throw new AppendConflictException(clause, event.position());
                }
            }
            if (has(Fault.CONDITION_CHECKS_ITS_OWN_EVENTS)
                    && batch.stream().anyMatch(event -> matches(clause.query(), record(event, Metadata.none())) > 0)) {
                throw new AppendConflictException(clause, Position.of(log.size()));
            }
        }
    }

    private void checkTypes(EventQuery query) {
        for (var item : query.items()) {
            for (var type : item.types()) {
                if (!has(Fault.UNKNOWN_TYPES_MATCH_NOTHING)) {
                    catalog.typesBelow(type);
                }
            }
        }
    }

    private EventQuery asChecked(EventQuery query) {
        return altered(
                query,
                Fault.TWO_TAGS_ARE_ENOUGH_FOR_A_CONFLICT,
                Fault.CONDITION_CHECKS_THIRTY_TWO_ITEMS,
                Fault.CONDITION_ON_MORE_THAN_TWENTY_ITEMS_IS_ON_ALL_EVENTS);
    }

    private EventQuery asRead(EventQuery query) {
        return altered(
                query,
                Fault.TWO_TAGS_ARE_ENOUGH,
                Fault.THIRTY_TWO_ITEMS_ONLY,
                Fault.MORE_THAN_TWENTY_ITEMS_ARE_ALL_EVENTS);
    }

    private EventQuery altered(EventQuery query, Fault twoTags, Fault someItems, Fault allEvents) {
        var items = query.items();
        if (has(twoTags)) {
            return EventQuery.of(items.stream()
                    .map(item -> new EventQuery.Item(
                            item.types(), item.tags().stream().limit(2).collect(Collectors.toUnmodifiableSet())))
                    .toList());
        }
        if (has(someItems)) {
            return EventQuery.of(items.subList(0, Math.min(32, items.size())));
        }
        return has(allEvents) && items.size() > 20 ? EventQuery.all() : query;
    }

    private List<RecordedEvent> select(EventQuery asked, ReadOptions options) {
        var query = asRead(asked);
        var found = new ArrayList<RecordedEvent>();
        boolean turned = has(Fault.BOUNDS_TURN_AROUND_BACKWARDS) && options.isBackwards();
        for (var event : log) {
            long position = event.position().value();
            boolean behind = position > options.after().value()
                    || has(Fault.IGNORES_AFTER)
                    || (has(Fault.AFTER_IS_INCLUSIVE)
                            && position == options.after().value());
            boolean before = position <= options.until().value() || has(Fault.IGNORES_UNTIL);
            if (turned) {
                behind = position >= options.after().value();
                before = position < options.until().value();
            }
            boolean in = behind && before;
            for (int i = matches(query, event); in && i > 0; i--) {
                found.add(event);
            }
        }
        int limit = (int) Math.min(found.size(), options.limit());
        if (has(Fault.READS_END_AFTER_TEN_THOUSAND)
                || (has(Fault.LIMITS_END_AT_TEN_THOUSAND) && limit < found.size())) {
            limit = Math.min(limit, 10_000);
        }
        if (options.isBackwards() && has(Fault.LIMITS_FROM_THE_OLDEST)) {
            found.subList(limit, found.size()).clear();
        }
        if (options.isBackwards()) {
            Collections.reverse(found);
        }
        return List.copyOf(found.subList(0, Math.min(limit, found.size())));
    }

    /** How many items match: more than one counts as one, if all is well. */
    private int matches(EventQuery query, RecordedEvent event) {
        int matching = 0;
        for (var item : has(Fault.FIRST_ITEM_ONLY) ? query.items().subList(0, 1) : query.items()) {
            boolean typeFits = item.types().isEmpty()
                    || (has(Fault.EXACT_TYPES_ONLY)
                            ? item.types().contains(event.event().getClass())
                            : item.types().stream().anyMatch(type -> type.isInstance(event.event())));
            boolean tagsFit = has(Fault.ANY_TAG_IS_ENOUGH)
                    ? item.tags().isEmpty() || item.tags().stream().anyMatch(event.tags()::contains)
                    : item.tags().stream().allMatch(tag -> contains(event.tags(), tag));
            matching += typeFits && tagsFit ? 1 : 0;
        }
        return has(Fault.TWICE_FOR_TWO_ITEMS) ? matching : Math.min(1, matching);
    }

    private boolean contains(Set<Tag> tags, Tag wanted) {
        return has(Fault.TAGS_IGNORE_CASE)
                ? tags.stream().anyMatch(tag -> tag.toString().equalsIgnoreCase(wanted.toString()))
                : tags.contains(wanted);
    }

    /** Gives other threads time to come between, where there is one processor as well. */
    private static void pause() {
        LockSupport.parkNanos(20_000);
    }

    private final class Stream implements EventStream {
        private final EventQuery query;
        private final ReadOptions options;
        private final List<RecordedEvent> events;
        private final Position head;
        private int index = -1;
        private boolean closed;

        Stream(EventQuery query, ReadOptions options, List<RecordedEvent> events, Position head) {
            this.query = query;
            this.options = options;
            this.events = events;
            this.head = head;
        }

        @Override
        public boolean advance() {
            checkOpen();
            index = Math.min(index + 1, events().size());
            if (index == events().size() && has(Fault.LAST_EVENT_STAYS_CURRENT)) {
                index--;
                return false;
            }
            return index < events().size();
        }

        @Override
        public Object event() {
            return current().event();
        }

        @Override
        public Position position() {
            return current().position();
        }

        @Override
        public String name() {
            return current().name();
        }

        @Override
        public Set<Tag> tags() {
            return current().tags();
        }

        @Override
        public Metadata metadata() {
            return current().metadata();
        }

        @Override
        public Instant recordedAt() {
            return current().recordedAt();
        }

        @Override
        public Position head() {
            checkOpen();
            return has(Fault.HEAD_OF_A_STREAM_IS_LIVE) ? FaultyEventStore.this.head() : head;
        }

        @Override
        public AppendCondition unchanged() {
            checkOpen();
            if (options.isCut() && !has(Fault.CUT_READS_GIVE_CONDITIONS)) {
                throw new IllegalStateException("cut");
            }
            if (has(Fault.UNCHANGED_SINCE_THE_LAST_MATCH)) {
                return AppendCondition.unchanged(
                        query, index < 0 || index >= events.size() ? Position.START : position());
            }
            return AppendCondition.unchanged(
                    query, has(Fault.UNCHANGED_SINCE_NOW) ? FaultyEventStore.this.head() : head);
        }

        @Override
        public void close() {
            closed = true;
        }

        private List<RecordedEvent> events() {
            if (has(Fault.STREAMS_ARE_LIVE)) {
                synchronized (lock) {
                    return select(query, options);
                }
            }
            return events;
        }

        private RecordedEvent current() {
            checkOpen();
            if (index < 0 || index >= events().size()) {
                throw new IllegalStateException("no event");
            }
            return events().get(index);
        }

        private void checkOpen() {
            if (closed && !has(Fault.CLOSED_STREAMS_GO_ON)) {
                throw new IllegalStateException("closed");
            }
        }
    }
}
