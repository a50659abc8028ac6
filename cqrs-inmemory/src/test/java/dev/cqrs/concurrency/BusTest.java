package dev.cqrs.concurrency;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import java.util.List;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Whichever threads are the first to send a class, known or not known before, each command reaches its own handler through its
 * own interceptors. The twin's short cut for the last class has one bug, and must be found.
 */
@Tag("lincheck")
@Timeout(900)
class BusTest {

    @Test
    void in_every_interleaving_each_command_finds_its_handler() {
        Lincheck.modelCheckingOfAll(Plain.class).check(OfBus.class);
    }

    @Test
    void with_real_threads_each_command_finds_its_handler() {
        Lincheck.stress(Plain.class).check(OfBus.class);
    }

    @Test
    void a_short_cut_that_is_written_in_two_steps_is_found() {
        Lincheck.assertFound(Lincheck.modelCheckingOfAll(Plain.class).iterations(50), OfTwoSteps.class);
    }

    // ---- what is done; results are compared by equals

    sealed interface Family extends Command<String> {}

    record Known(String text) implements Family {}

    /** Whose classes the bus cannot know before they are sent. */
    non-sealed interface Open extends Family {}

    record Late(String text) implements Open {}

    record Later(String text) implements Open {}

    record Foreign(String text) implements Command<String> {}

    private static Command<String> command(int kind) {
        return switch (kind) {
            case 1 -> new Known("known");
            case 2 -> new Late("late");
            case 3 -> new Later("later");
            default -> new Foreign("foreign");
        };
    }

    /** Marks commands of one class only, so that each class has a chain of its own. */
    private static final class Marking implements Interceptor {
        @Override
        public Object around(Object message, Metadata metadata, Next next) throws Exception {
            return "marked " + next.proceed(message, metadata);
        }

        @Override
        public boolean appliesTo(Class<?> messageType) {
            return messageType == Later.class;
        }
    }

    /** The operations, for any bus. */
    @Param(name = "kind", gen = IntGen.class, conf = "1:4")
    public abstract static class Operations {
        abstract CommandBus bus();

        @Operation
        public String send(@Param(name = "kind") int kind) {
            try {
                return bus().dispatch(command(kind));
            } catch (NoHandlerException unknown) {
                return "unknown " + unknown.messageType().getSimpleName();
            }
        }
    }

    /** What a bus means. */
    public static final class Plain {
        public String send(int kind) {
            return switch (kind) {
                case 1 -> "one: Known";
                case 2 -> "family: Late";
                case 3 -> "marked family: Later";
                default -> "unknown Foreign";
            };
        }
    }

    public static final class OfBus extends Operations {
        private @Nullable CommandBus bus;

        /**
         * Makes it within the first operation, where classes have the same hash codes as later: Lincheck gives them other ones
         * before.
         */
        @Override
        synchronized CommandBus bus() {
            if (bus == null) {
                bus = InMemoryCommandBus.builder()
                        .handle(Family.class, c -> "family: " + c.getClass().getSimpleName())
                        .handle(Known.class, c -> "one: " + c.getClass().getSimpleName())
                        .intercept(1, new Marking())
                        .build();
            }
            return bus;
        }
    }

    // ---- the twin

    /** Remembers the last class and its handler in two fields: between the two, another thread finds the wrong one. */
    private static final class TwoSteps implements CommandBus {

        private record Entry(Class<?> type, CommandHandler.Plain<Command<?>, String> handler) {}

        private final List<Entry> entries = List.of(
                new Entry(Known.class, c -> "one: Known"),
                new Entry(Late.class, c -> "family: Late"),
                new Entry(Later.class, c -> "marked family: Later"));
        private volatile @Nullable Class<?> lastType;
        private volatile CommandHandler.Plain<Command<?>, String> last =
                entries.get(0).handler();

        @Override
        @SuppressWarnings("unchecked") // all results are texts
        public <R> R dispatch(Command<R> command, Metadata metadata) {
            var type = command.getClass();
            if (lastType != type) {
                var found = entries.stream()
                        .filter(entry -> entry.type() == type)
                        .findFirst()
                        .orElseThrow(() -> new NoHandlerException(type, ""));
                lastType = type;
                last = found.handler();
            }
            try {
                return (R) last.handle(command);
            } catch (Exception impossible) {
                throw new IllegalStateException(impossible);
            }
        }

        @Override
        public <C extends Command<R>, R> Route<C, R> handlerFor(Class<C> type) {
            throw new UnsupportedOperationException();
        }
    }

    public static final class OfTwoSteps extends Operations {
        private final CommandBus bus = new TwoSteps();

        @Override
        CommandBus bus() {
            return bus;
        }
    }
}
