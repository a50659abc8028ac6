package dev.cqrs.saga;

import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.saga.Index.Entry;
import dev.cqrs.saga.Instances.Begun;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Input;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Takes in what the domain's log has new: events that start instances, and events that instances wait for.
 *
 * <p><b>Threads:</b> for one look at a time; how far it has come can be asked by all.
 */
final class Intake {

    /** How many events one look takes in. */
    private static final int MOST = 100;

    private final Instances instances;
    private final Index index;
    private final ReentrantLock lock;
    private final Optional<EventStore> domain;
    private final Map<Script<?>, Position> after;
    private final Optional<EventQuery> events;
    private final BooleanSupplier isClosed;
    private final Runnable between;
    private final Reports reports;

    private volatile Position followed = Position.START;
    /** Whether the operations log was looked at since the events at hand were read. */
    private boolean refreshed;
    /** Whether it is known up to where the domain's log was taken in before. */
    private volatile boolean found;
    /** Behind here events are counted for which there is no instance. */
    private Position counted = Position.START;

    /**
     * Takes none in yet.
     *
     * @param after from where on events start instances of sagas that are new; otherwise from its head on
     * @param between is run behind each event, and has go on what it has made ready
     */
    Intake(
            Instances instances,
            Optional<EventStore> domain,
            Map<Script<?>, Position> after,
            BooleanSupplier isClosed,
            Runnable between,
            Reports reports) {
        this.instances = instances;
        this.index = instances.index;
        this.lock = instances.lock;
        this.domain = domain;
        this.after = after;
        this.isClosed = isClosed;
        this.between = between;
        this.reports = reports;
        var types = new LinkedHashSet<Class<?>>();
        instances.scripts().all().forEach(script -> {
            types.addAll(script.starters());
            types.addAll(script.triggers());
        });
        this.events = types.stream().map(type -> EventQuery.types(type)).reduce(EventQuery::or);
    }

    /** Notes from where on events start sagas that are new. */
    void deploy() {
        domain.ifPresent(store -> instances.deploy(store, after));
    }

    /** Gives the log whose events are taken in, if any are. */
    Optional<EventStore> source() {
        return domain.filter(store -> events.isPresent());
    }

    /** Up to where events are taken in. */
    Position followed() {
        return followed;
    }

    /** Says whether it knows where to go on, so that what it has followed is worth saving. */
    boolean hasBegun() {
        return found;
    }

    /** Takes some events in; gives whether there may be more. */
    boolean takeIn() {
        if (!found) {
            findPlace();
            found = true;
        }
        return follow();
    }

    /** Goes to where the domain's log was taken in before, by whoever. */
    private void findPlace() {
        var store = domain.orElse(null);
        if (store == null) {
            return;
        }
        deploy();
        var head = store.head();
        long saved = instances.followed();
        long place = saved < 0 ? Long.MAX_VALUE : saved;
        lock.lock();
        try {
            place = Math.min(place, index.leastSource(instances::knewThen));
            for (var script : instances.scripts().all()) {
                if (!instances.scripts().isNewest(script)) {
                    continue; // no more are started
                }
                for (var type : script.starters()) {
                    for (var below : store.catalog().typesBelow(type)) {
                        var name = store.catalog().nameOf(below);
                        if (saved < 0 || !instances.knewStarter(script, name)) { // those of the last may be half done
                            place = Math.min(place, Math.max(0, index.source(script.name(), name) - 1));
                        }
                    }
                }
            }
        } finally {
            lock.unlock();
        }
        place = Math.min(place, head.value());
        if (saved < 0 && place > 0) {
            counted = head; // what is older may have been taken in by what has ended since
        }
        if (place > followed.value()) {
            followed = Position.of(place);
        }
    }

    private boolean follow() {
        var query = events.orElse(null);
        var store = domain.orElse(null);
        if (query == null || store == null) {
            return false;
        }
        var chunk = new ArrayList<RecordedEvent>();
        refreshed = false;
        Position end;
        boolean more = false;
        RuntimeException unread = null;
        try (var found =
                store.read(query, ReadOptions.forwards().after(followed).limit(MOST + 1L))) {
            end = found.head();
            while (!more && found.advance()) {
                // an event may be read as several of one position, which belong together
                if (chunk.size() >= MOST
                        && found.position().isAfter(chunk.get(chunk.size() - 1).position())) {
                    end = chunk.get(chunk.size() - 1).position();
                    more = true;
                } else {
                    chunk.add(found.recorded());
                }
            }
        } catch (RuntimeException thrown) { // as by an event that cannot be read; what stands in front of it can
            if (chunk.isEmpty()) {
                throw thrown;
            }
            unread = thrown;
            end = chunk.get(chunk.size() - 1).position();
        }
        for (int i = 0; i < chunk.size(); i++) {
            if (isClosed.getAsBoolean()) {
                return true; // something is left
            }
            var position = chunk.get(i).position();
            takeIn(chunk.get(i));
            if (i + 1 < chunk.size() && chunk.get(i + 1).position().isAfter(position)) {
                followed = position; // as the next one may fail
            }
            between.run();
        }
        if (end.isAfter(followed)) {
            followed = end;
        }
        if (unread != null) {
            throw unread;
        }
        return more;
    }

    private void takeIn(RecordedEvent event) {
        var unknown = new HashSet<String>(0); // to several versions, one that is for nobody counts once
        for (var script : instances.scripts().all()) {
            var starter = script.starter(event.event());
            if (starter != null && instances.scripts().isNewest(script) && !isPassed(script, event)) {
                var key = key(script, starter, event);
                if (key != null) {
                    start(script, key, event);
                }
            }
            var trigger = script.trigger(event.event());
            if (trigger != null) {
                var key = key(script, trigger.key(), event);
                if (key != null) {
                    take(script, key, trigger.step(), event, unknown);
                }
            }
        }
    }

    /**
     * Says whether somebody has dealt with it where it starts one: whoever takes events in does so in their order. Not for those
     * of the last place, which may have several, and be half done.
     */
    private boolean isPassed(Script<?> script, RecordedEvent event) {
        lock.lock();
        try {
            long source = index.source(script.name(), event.name());
            long position = event.position().value();
            boolean before = position <= instances.followed(); // read again for others
            return source > position || (before && instances.knewStarter(script, event.name()));
        } finally {
            lock.unlock();
        }
    }

    private @Nullable String key(Script<?> script, Function<Object, ?> function, RecordedEvent event) {
        try {
            return script.key(function, event.event());
        } catch (Throwable thrown) {
            Script.throwIfFatal(thrown);
            reports.tell(script, thrown);
            return null;
        }
    }

    private void start(Script<?> script, String key, RecordedEvent event) {
        var begun = instances.begin(
                script,
                key,
                Cause.STARTED,
                event.event(),
                event.name(),
                event.position().value(),
                event.metadata().id().orElse(""),
                turn -> reports.tellIfParked(script.name(), key, turn));
        if (begun == Begun.BEFORE && script.trigger(event.event()) == null) {
            instances.ignore();
        }
    }

    private void take(Script<?> script, String key, String step, RecordedEvent event, Set<String> unknown) {
        var entry = known(script.name(), key);
        if (entry == null) {
            if (!refreshed) { // another engine may have started it, of an event in front of these
                instances.refresh();
                refreshed = true;
            }
            entry = known(script.name(), key);
        }
        if (entry == null) {
            if (event.position().isAfter(counted) && unknown.add(script.name())) {
                instances.ignore();
            }
            return;
        }
        int version;
        lock.lock();
        try {
            version = entry.version;
        } finally {
            lock.unlock();
        }
        if (instances.scripts().choose(entry.saga, version) != script) {
            return; // to another version the event may mean something else
        }
        var live = instances.enter(entry);
        Turn<?> turn;
        try {
            turn = instances.turn(entry, live, (story, trouble) -> taken(story, trouble, step, event));
            if (turn != null) {
                instances.lineIfReady(entry);
            }
        } finally {
            instances.exit(entry, live);
        }
        reports.tellIfParked(entry.saga, entry.key, turn);
    }

    /** Gives an instance of which anything was read or written: an operator may be at one that nobody has started. */
    private @Nullable Entry known(String saga, String key) {
        lock.lock();
        try {
            var entry = index.find(saga, key);
            return entry == null || entry.position == 0 ? null : entry;
        } finally {
            lock.unlock();
        }
    }

    private @Nullable Turn<?> taken(Story<?> story, @Nullable Trouble trouble, String step, RecordedEvent event) {
        long source = event.position().value();
        if (story.source >= source) {
            return null;
        }
        if (!story.waitsFor(step)) {
            instances.ignore();
            return null;
        }
        var causation = event.metadata().id().orElse("");
        if (trouble != null) {
            var turn = instances.turn(
                    story,
                    new Input(Cause.EVENT, step, false, 0, "", source, trouble.reason()),
                    Optional.of(event.event()),
                    causation);
            turn.leaveOut();
            turn.park("The event \"" + event.name() + "\", or what follows from it, could not be stored: "
                    + trouble.reason());
            return turn;
        }
        var input = new Input(Cause.EVENT, step, false, 0, event.name(), source, "");
        return Instances.gone(instances.turn(story, input, Optional.of(event.event()), causation));
    }
}
