package dev.cqrs.decider;

import dev.cqrs.event.Catalog.CommandId;
import dev.cqrs.event.Catalog.CommandRefused;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Which commands were carried out, or refused for good: the log tells by {@link CommandId} and {@link CommandRefused}. */
final class CommandIds<C> {

    private static final EventQuery MARKS = EventQuery.types(CommandId.class, CommandRefused.class);

    private final EventStore store;
    private final Function<? super C, String> text;
    private final @Nullable Duration duration;
    private final @Nullable Clock clock;

    CommandIds(EventStore store, Function<? super C, String> text, @Nullable Duration duration, @Nullable Clock clock) {
        checkFound(store);
        this.store = store;
        this.text = text;
        this.duration = duration;
        this.clock = clock;
    }

    CommandIds<C> rememberedFor(Duration duration, Clock clock) {
        return new CommandIds<>(store, text, duration, clock);
    }

    /**
     * What is known of an id.
     *
     * @param positions where the commands were carried out, one each; empty if they were not
     * @param notYet that they still are not
     */
    record Memory(List<Position> positions, AppendCondition notYet) {}

    /**
     * Looks for an id.
     *
     * @throws RejectedException if it was refused for good
     */
    Memory find(String id, List<? extends C> commands) {
        var query = MARKS.withTags(CommandId.tag(id));
        try (var marks = store.read(query, ReadOptions.backwards().limit(commands.size()))) {
            if (!marks.advance()) {
                return new Memory(List.of(), AppendCondition.absent(query));
            }
            if (isForgotten(marks.recordedAt())) {
                return new Memory(List.of(), AppendCondition.unchanged(query, marks.position()));
            }
            if (marks.event() instanceof CommandRefused refused) {
                throw rejected(refused, marks.position(), commands);
            }
            var positions = new Position[commands.size()];
            for (int i = commands.size() - 1; i >= 0; i--) {
                if (!marks.event().equals(mark(id, i, commands))) {
                    throw new CommandIdReusedException(id, commands.get(i).getClass(), marks.position());
                }
                positions[i] = marks.position();
                if (i > 0 && !marks.advance()) {
                    throw new CommandIdReusedException(id, commands.get(i).getClass(), positions[i]);
                }
            }
            return new Memory(List.of(positions), AppendCondition.none());
        }
    }

    private RejectedException rejected(CommandRefused refused, Position at, List<? extends C> commands) {
        int index = Math.min(refused.index(), commands.size() - 1);
        var type = commands.get(index).getClass();
        if (!refused.equals(refusal(refused.id(), index, commands, refused.reason()))) {
            throw new CommandIdReusedException(refused.id(), type, at);
        }
        return new RejectedException(type, refused.reason().isBlank() ? "as before" : refused.reason()).noted();
    }

    CommandRefused refusal(String id, int index, List<? extends C> commands, String reason) {
        var digests = new StringBuilder();
        for (int i = 0; i < commands.size(); i++) {
            digests.append(mark(id, i, commands).digest());
        }
        var digest = commands.size() == 1 ? digests.toString() : sha256(digests.toString());
        return new CommandRefused(id, index, commands.size(), digest, keepable(reason));
    }

    /** Whatever a decision said, without what not every store can keep: half characters and NUL. */
    private static String keepable(String reason) {
        return new String(reason.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8).replace('\0', '?');
    }

    CommandId mark(String id, int index, List<? extends C> commands) {
        var command = commands.get(index);
        var own = Objects.requireNonNull(
                text.apply(command),
                () -> "The text of " + command.getClass().getName()
                        + " is null; expected what tells this command from others.");
        return new CommandId(id, index, commands.size(), sha256(own));
    }

    /** With the name of its class in full: others of the same simple name may have the same parts. */
    static String textOf(Object command) {
        if (!(command instanceof Record)) {
            throw new IllegalStateException(command.getClass().getName()
                    + " is not a record, so its toString() may not tell it from others; nothing was appended. Give"
                    + " idempotent(text) a function that does.");
        }
        return command.getClass().getName() + ' ' + command;
    }

    /** Without the tag every id would be a new one, and every repeat a second effect. */
    private static void checkFound(EventStore store) {
        for (var probe : List.of(new CommandId("probe", 0, 1, ""), new CommandRefused("probe", 0, 1, "", ""))) {
            if (!store.catalog().tagsOf(probe).contains(CommandId.tag("probe"))) {
                throw new IllegalStateException("The catalog has command ids as \""
                        + store.catalog().nameOf(probe.getClass())
                        + "\", but without their tag, by which they are found. Use Catalog.Builder.commandIds().");
            }
        }
    }

    private boolean isForgotten(Instant recordedAt) {
        return duration != null
                && Duration.between(recordedAt, Objects.requireNonNull(clock).instant())
                                .compareTo(duration)
                        >= 0;
    }

    private static String sha256(String text) {
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException impossible) { // every Java platform has it
            throw new IllegalStateException(impossible);
        }
    }
}
