package dev.cqrs.saga;

import dev.cqrs.command.Command;
import dev.cqrs.event.EventCodec.UnreadableEventException;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Continued;
import dev.cqrs.saga.SagaEvent.Deployed;
import dev.cqrs.saga.SagaEvent.Input;
import dev.cqrs.saga.SagaEvent.Standing;
import dev.cqrs.saga.SagaEvent.Started;
import dev.cqrs.task.Reasons;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The operations log, so far as instances are concerned.
 *
 * <p><b>Threads:</b> thread-safe.
 */
final class Archive {

    /** A mark, with its place. */
    record Mark(SagaEvent event, Position position, Instant recordedAt, Metadata metadata) {}

    /** An instance as it was read, with its last mark. */
    record Loaded<S>(Story<S> story, Mark last) {}

    /** What is read today where a command was stored is none; no failure of the log, which passes. */
    static final class NoCommandException extends IllegalStateException {
        private static final long serialVersionUID = 1L;

        private NoCommandException(String message) {
            super(message);
        }
    }

    private final EventStore log;
    private final Optional<EventStore> domain;
    private final Scripts scripts;

    Archive(EventStore log, Optional<EventStore> domain, Scripts scripts) {
        this.log = log;
        this.domain = domain;
        this.scripts = scripts;
    }

    EventStore log() {
        return log;
    }

    /** Gives the stable name of a class; empty if it cannot be stored. */
    Optional<String> nameOf(Class<?> type) {
        var catalog = log.catalog();
        return catalog.types().contains(type) ? Optional.of(catalog.nameOf(type)) : Optional.empty();
    }

    private static EventQuery query(String saga, String key) {
        return EventQuery.types(SagaEvent.class).withTags(SagaEvent.tag(saga, key));
    }

    List<Mark> marks(String saga, String key) {
        var found = new ArrayList<Mark>();
        try (var marks = log.read(query(saga, key))) {
            while (marks.advance()) {
                found.add(new Mark((SagaEvent) marks.event(), marks.position(), marks.recordedAt(), marks.metadata()));
            }
        }
        return found;
    }

    /** Writes that an engine was started; gives its incarnation. */
    long started(String engine) {
        return log.append(List.of(new SagaEvent.EngineStarted(engine)), AppendCondition.none())
                .first()
                .value();
    }

    /** Gives the last mark of an instance; {@code null} if there is none. */
    @Nullable
    SagaEvent newest(String saga, String key) {
        try (var marks = log.read(query(saga, key), ReadOptions.backwards().limit(1))) {
            return marks.advance() ? (SagaEvent) marks.event() : null;
        }
    }

    /** Reads an instance; {@code null} if there is none, or no definition under which it goes on. */
    @Nullable
    Loaded<?> load(String saga, String key) {
        var marks = marks(saga, key);
        if (marks.isEmpty()) {
            return null;
        }
        int version = version(marks);
        var script = scripts.choose(saga, version);
        return script == null ? null : load(script, key, version, marks, true);
    }

    /**
     * Reads an instance to tell how it stands, be it for others to go on with; {@code null} if there is none. Its state is not
     * told, for which the domain's log may be needed.
     */
    @Nullable
    Loaded<?> look(String saga, String key) {
        var marks = marks(saga, key);
        return marks.isEmpty() || !scripts.has(saga)
                ? null
                : load(
                        Objects.requireNonNullElse(scripts.choose(saga, version(marks)), scripts.newest(saga)),
                        key,
                        version(marks),
                        marks,
                        false);
    }

    private static int version(List<Mark> marks) {
        return marks.get(0).event() instanceof Started started ? started.version() : 1;
    }

    private <S> Loaded<S> load(Script<S> script, String key, int version, List<Mark> marks, boolean whole) {
        var story = new Story<>(script, key);
        story.version = version;
        story.started = marks.get(0).recordedAt();
        for (var mark : marks) {
            var event = mark.event();
            story.under = event instanceof Continued continued ? continued.version() : version;
            boolean kept = !event.input().event().isEmpty();
            story.take(
                    event.input(),
                    !whole
                            ? List.of()
                            : kept ? kept(story, mark) : isLeftOut(event.input()) ? leftOut(story, event) : List.of());
            var causation = mark.metadata().causation().orElse("");
            event.outputs().forEach(output -> story.put(output, null, causation));
            story.placed(mark.position(), kept);
            var standing = event.standing();
            story.heldBy(standing.engine(), standing.incarnation(), standing.until());
            if (!story.engine.isEmpty()) {
                story.exposed();
            }
        }
        story.under = script.version();
        return new Loaded<>(story, marks.get(marks.size() - 1));
    }

    /** Reads from where on events start instances, and writes what is not there; gives all. */
    List<Deployed> deploy(List<Deployed> wanted) {
        if (wanted.isEmpty()) {
            return wanted;
        }
        var query = EventQuery.types(Deployed.class);
        for (int attempt = 1; ; attempt++) {
            var known = new ArrayList<Deployed>();
            Position head;
            try (var events = log.read(query)) {
                while (events.advance()) {
                    known.add((Deployed) events.event());
                }
                head = events.head();
            }
            var missing = wanted.stream()
                    .filter(one -> known.stream()
                            .noneMatch(there -> there.saga().equals(one.saga())
                                    && there.event().equals(one.event())))
                    .toList();
            if (missing.isEmpty()) {
                return known;
            }
            try {
                log.append(missing, AppendCondition.unchanged(query, head));
            } catch (AppendConflictException
                    | AppendOutcomeUnknownException look) { // somebody was there, perhaps this one
                if (attempt == Instances.ATTEMPTS) {
                    throw look;
                }
            }
        }
    }

    private List<Object> kept(Story<?> story, Mark mark) {
        try {
            return at(mark.position().value() + 1);
        } catch (UnknownEventException | UnreadableEventException unreadable) {
            story.broken =
                    "The event \"" + mark.event().input().event() + "\" cannot be read: " + Reasons.of(unreadable);
            return List.of();
        }
    }

    /** Says whether something came of the domain's log and could not be kept, which parked the instance. */
    private static boolean isLeftOut(Input input) {
        return input.event().isEmpty() && (input.cause() == Cause.STARTED || input.cause() == Cause.EVENT);
    }

    /** Reads an event that could not be kept where it came from, so that it is not lost. */
    private List<Object> leftOut(Story<?> story, SagaEvent mark) {
        var input = mark.input();
        try {
            var found = domain.isPresent() ? at(domain.get(), input.source()) : List.<Object>of();
            for (var event : found) {
                if (found.size() == 1 || story.script.isTaken(input, mark.key(), event)) {
                    return List.of(event);
                }
            }
            story.broken = "Its event could not be kept, and position " + input.source()
                    + " of the domain's log, which it came from, holds none for it here.";
        } catch (UnknownEventException | UnreadableEventException unreadable) {
            story.broken = "Its event could not be kept, and cannot be read at position " + input.source()
                    + " of the domain's log, which it came from: " + Reasons.of(unreadable);
        }
        return List.of();
    }

    private List<Object> at(long position) {
        return at(log, position);
    }

    private static List<Object> at(EventStore log, long position) {
        var found = new ArrayList<>();
        var own = ReadOptions.forwards().after(Position.of(position - 1)).until(Position.of(position));
        try (var events = log.read(EventQuery.all(), own)) {
            while (events.advance()) {
                found.add(events.event());
            }
        }
        return found;
    }

    /** Gives the command at a position. */
    Command<?> command(long position) {
        var found = at(position);
        if (found.size() == 1 && found.get(0) instanceof Command<?> command) {
            return command;
        }
        throw new NoCommandException("Position " + position + " of the operations log holds "
                + (found.isEmpty() ? "nothing" : found.size() + " events, and no command")
                + "; expected the command that was stored there. What do the upcasters make of it?");
    }

    /** Gives the names of what stands behind a mark. */
    List<String> namesBehind(Mark mark, int count) {
        var names = new ArrayList<String>();
        for (int i = 1; i <= count; i++) {
            var own = ReadOptions.forwards()
                    .after(Position.of(mark.position().value() + i - 1))
                    .until(Position.of(mark.position().value() + i));
            try (var events = log.read(EventQuery.all(), own)) {
                names.add(events.advance() ? events.name() : "?");
            } catch (UnknownEventException | UnreadableEventException unreadable) {
                names.add("?");
            }
        }
        return names;
    }

    /** Gives what a turn is written as. */
    static SagaEvent mark(Turn<?> turn, Standing standing) {
        var story = turn.story();
        var saga = story.script.name();
        return story.last.equals(Position.START)
                ? new Started(saga, story.key, story.version, turn.input(), turn.outputs(), standing)
                : new Continued(saga, story.key, story.under, turn.input(), turn.outputs(), standing);
    }

    /**
     * Writes a turn, if nothing else of its instance was written since its story was read. An interrupt may be meant for a
     * handler, and stores may refuse to work for a thread that is interrupted; so it waits.
     */
    Appended append(Turn<?> turn, SagaEvent mark) {
        var story = turn.story();
        boolean first = story.last.equals(Position.START);
        var condition =
                first ? AppendCondition.absent(story.query()) : AppendCondition.unchanged(story.query(), story.last);
        var events = new ArrayList<Object>(4);
        events.add(mark);
        turn.behind(events::add);
        var instance = story.id;
        var metadata = Metadata.of(
                turn.causation().isEmpty()
                        ? Map.of(Metadata.CORRELATION, instance)
                        : Map.of(Metadata.CORRELATION, instance, Metadata.CAUSATION, turn.causation()));
        boolean interrupted = Thread.interrupted();
        try {
            var at = log.append(events, condition, metadata);
            story.placed(at.first(), turn.kept().isPresent());
            return at;
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Says whether it can be told by which tags the events of a turn are found: the functions are the application's. */
    boolean canTag(Turn<?> turn) {
        try {
            turn.behind(log.catalog()::tagsOf);
            return true;
        } catch (Throwable thrown) {
            Script.throwIfFatal(thrown);
            return false;
        }
    }

    /** Gives the one of some turns that was written, though that was not known. */
    @Nullable
    Turn<?> written(List<Turn<?>> unknown) {
        for (var turn : unknown) {
            var behind = ReadOptions.forwards().after(turn.story().last).limit(1);
            try (var marks = log.read(turn.story().query(), behind)) {
                if (marks.advance() && marks.event().equals(turn.mark)) {
                    return turn;
                }
            }
        }
        return null;
    }

    static Input input(SagaEvent.Cause cause, String reason) {
        return new Input(cause, "", false, 0, "", 0, Reasons.keepable(reason));
    }
}
