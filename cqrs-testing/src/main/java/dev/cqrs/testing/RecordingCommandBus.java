package dev.cqrs.testing;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.message.Metadata;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A command bus that keeps what was sent, and answers as a test has told it to.
 *
 * <pre>{@code
 * var commands = new RecordingCommandBus().answer(Open.class, "4711");
 * new Reception(commands).welcome("Anna");
 * assertEquals(List.of(new Open("Anna")), commands.sent(Open.class));
 * }</pre>
 *
 * <p>Around another bus, what has no answer here goes there. A command is kept before it is answered, so also where the
 * answer is an exception. A command that nobody answers is a {@link dev.cqrs.message.NoHandlerException}.
 *
 * <p>Of several answers that fit a command, that of the nearest class counts: its own, or else one above it that is above no other
 * of them; of several such the last that was given.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public final class RecordingCommandBus implements CommandBus {

    /** How many commands are kept. */
    public static final int CAPACITY = Recording.CAPACITY;

    private final Recording<Sent> recording = new Recording<>();
    private final @Nullable CommandBus other;

    /**
     * A command as it was sent.
     *
     * @param command the command
     * @param metadata what travelled with it
     */
    public record Sent(Command<?> command, Metadata metadata) {

        /**
         * Checks for nulls.
         *
         * @param command the command
         * @param metadata what travelled with it
         * @throws NullPointerException if a part is {@code null}
         */
        public Sent {
            Objects.requireNonNull(command, "command");
            Objects.requireNonNull(metadata, "metadata");
        }
    }

    /** Makes a bus without answers. */
    public RecordingCommandBus() {
        this(null);
    }

    private RecordingCommandBus(@Nullable CommandBus other) {
        this.other = other;
    }

    /**
     * Makes a bus that keeps what is sent, and hands on to another one what it has no answer for.
     *
     * @param other handles the commands
     * @return a bus without answers of its own
     */
    public static RecordingCommandBus around(CommandBus other) {
        return new RecordingCommandBus(Objects.requireNonNull(other, "other"));
    }

    /**
     * Answers the commands of a class with a result, in place of an earlier answer.
     *
     * @param <R> the type of the result
     * @param type the class of the commands, or one above several
     * @param result always the same
     * @return this bus
     */
    public <R> RecordingCommandBus answer(Class<? extends Command<R>> type, R result) {
        Objects.requireNonNull(result, "result");
        recording.answer(type, (command, metadata) -> result);
        return this;
    }

    /**
     * Answers the commands of a class with what a function makes of them, in place of an earlier answer.
     *
     * @param <C> the class of the commands
     * @param <R> the type of the result
     * @param type the class of the commands, or one above several
     * @param handler gives the result, or throws
     * @return this bus
     */
    public <C extends Command<R>, R> RecordingCommandBus handle(
            Class<C> type, CommandHandler.Plain<? super C, ? extends R> handler) {
        Objects.requireNonNull(handler, "handler");
        recording.answer(type, (command, metadata) -> handler.handle(type.cast(command)));
        return this;
    }

    /**
     * Gives all that was sent.
     *
     * @return an unmodifiable list in the order of sending
     */
    public List<Sent> sent() {
        return recording.sent();
    }

    /**
     * Gives the commands of a class that were sent.
     *
     * @param <C> the class
     * @param type the class of the commands, or one above several
     * @return an unmodifiable list in the order of sending
     */
    public <C> List<C> sent(Class<C> type) {
        return recording.sent(Objects.requireNonNull(type, "type"), Sent::command);
    }

    /** Forgets what was sent; answers stay. */
    public void clear() {
        recording.clear();
    }

    @Override
    public <R> R dispatch(Command<R> command, Metadata metadata) {
        recording.record(new Sent(command, metadata));
        var answer = recording.find(command.getClass());
        if (answer != null) {
            return given(answer, command, metadata);
        }
        if (other == null) {
            throw recording.unanswered(command.getClass());
        }
        return other.dispatch(command, metadata);
    }

    @Override
    public <C extends Command<R>, R> Route<C, R> handlerFor(Class<C> type) {
        Objects.requireNonNull(type, "type");
        if (recording.find(type) != null) {
            return (command, metadata) -> {
                recording.record(new Sent(command, metadata));
                return given(Objects.requireNonNull(recording.find(type)), command, metadata);
            };
        }
        if (other == null) {
            throw recording.unanswered(type);
        }
        var route = other.handlerFor(type);
        return (command, metadata) -> {
            recording.record(new Sent(command, metadata));
            var answer = recording.find(type); // which may have been given since
            return answer == null ? route.handle(command, metadata) : given(answer, command, metadata);
        };
    }

    @SuppressWarnings("unchecked") // an answer for a class gives the result of its commands
    private static <R> R given(Recording.Answer answer, Command<R> command, Metadata metadata) {
        return (R) Recording.give(answer, command, metadata);
    }
}
