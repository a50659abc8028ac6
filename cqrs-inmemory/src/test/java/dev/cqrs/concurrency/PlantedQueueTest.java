package dev.cqrs.concurrency;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.message.CqrsException;
import dev.cqrs.queue.CommandQueue.WhenFull;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.spi.ToolProvider;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The queue at its bound in every interleaving, and what would become of {@link QueueTest} if the queue had a bug: its own sources
 * with one bug planted in each, compiled under another name, must be found.
 */
@Tag("lincheck")
@Timeout(300)
class PlantedQueueTest {

    /** Another one each time: Lincheck finds classes by name, in the class loader of this one. */
    private final String name = "dev.cqrs.queue.planted" + NUMBER.incrementAndGet();

    private static final AtomicInteger NUMBER = new AtomicInteger();

    private final Path sources;

    PlantedQueueTest(@TempDir Path sources) {
        this.sources = sources;
    }

    // ---- the queue as it is

    @Test
    void in_every_interleaving_who_waits_for_room_gets_it() throws Exception {
        plant(Map.of());
        options(200, Plain.class).check(OfWaiting.class);
    }

    @Test
    void in_every_interleaving_no_more_are_taken_than_there_is_room_for() throws Exception {
        plant(Map.of());
        options(200, Bounded.class).check(OfRefusing.class);
    }

    // ---- with a bug

    @Test
    void a_command_that_is_left_although_another_is_being_put_behind_it_is_found() throws Exception {
        plant(Map.of(
                "if (next == null && NEXT.compareAndSet(this, null, NONE)) {",
                "if (next == null) { NEXT.setVolatile(this, NONE);"));
        Lincheck.assertFound(options(20_000, Plain.class), OfQueue.class);
    }

    @Test
    void arrivals_that_are_taken_in_two_steps_are_found() throws Exception {
        plant(Map.of("places.getAndSet(LAST, null)", "takeInTwoSteps()", "    boolean isEmpty() {", """
                private Task<?> takeInTwoSteps() {
                    var last = places.get(LAST);
                    places.set(LAST, null);
                    return last;
                }

                boolean isEmpty() {"""));
        Lincheck.assertFound(options(20_000, Plain.class), OfOneWorker.class);
    }

    @Test
    void a_worker_that_looks_before_it_says_that_it_rests_is_found() throws Exception {
        plant(Map.of("resting = idle.size() + 1; // before it looks", ""));
        Lincheck.assertFound(options(20_000, Plain.class), OfOneWorker.class);
    }

    @Test
    void a_place_that_is_looked_for_and_taken_in_two_steps_is_found() throws Exception {
        plant(Map.of(
                "state.compareAndSet(OWN_LINE, now, now + 1)", "state.getAndIncrement(OWN_LINE) > Long.MIN_VALUE"));
        Lincheck.assertFound(options(20_000, Bounded.class), OfRefusing.class);
    }

    @Test
    void one_who_waits_for_room_and_says_so_too_late_is_found() throws Exception {
        plant(Map.of("roomWanted = true; // before it looks", "", "room.await();", "roomWanted = true; room.await();"));
        Lincheck.assertFound(options(20_000, Plain.class), OfWaiting.class);
    }

    /**
     * Two threads with one command each: little enough for every place where one may lose its processor to have its turn. A search ends
     * where the bug is found, so its bound costs nothing.
     */
    private static ModelCheckingOptions options(int invocations, Class<?> model) {
        return Lincheck.modelChecking(model)
                .actorsPerThread(1)
                .actorsBefore(0)
                .actorsAfter(0)
                .iterations(1)
                .invocationsPerIteration(invocations);
    }

    // ---- the sources

    /** Makes a queue of the planted sources: by bus, executor, class of the commands, which are their own keys, and bounds. */
    private static final String FACTORY = """
            package %s;

            public final class Factory implements java.util.function.Function<Object[], Object> {
                public Object apply(Object[] how) {
                    var queue = CommandQueue.to(
                                    (dev.cqrs.command.CommandBus) how[0],
                                    (java.util.concurrent.Executor) how[1],
                                    failure -> {})
                            .key((Class<? extends dev.cqrs.command.Command<?>>) how[2], command -> command)
                            .workers((int) how[5])
                            .capacity((int) how[3])
                            .whenFull(CommandQueue.WhenFull.valueOf((String) how[4]))
                            .build();
                    return (java.util.function.Function<Object, Object>)
                            command -> queue.enqueue((dev.cqrs.command.Command<?>) command);
                }
            }
            """;

    private static final AtomicReference<@Nullable Function<Object[], Object>> FACTORY_OF_TEST =
            new AtomicReference<>();

    /** Compiles the sources of the queue with some text replaced by other, to where the classes of the tests are. */
    @SuppressWarnings("unchecked") // what Factory is
    private void plant(Map<String, String> patch) throws IOException, ReflectiveOperationException {
        var arguments =
                new ArrayList<>(List.of("-proc:none", "-nowarn", "-d", classes().toString()));
        arguments.addAll(List.of("-cp", System.getProperty("java.class.path")));
        var planted = new ArrayList<String>();
        try (var files = Files.list(Path.of("src/main/java/dev/cqrs/queue"))) {
            for (var file : files.sorted().toList()) {
                var text = Files.readString(file).replace("package dev.cqrs.queue;", "package " + name + ";");
                for (var entry : patch.entrySet()) {
                    if (text.contains(entry.getKey())) {
                        text = text.replace(entry.getKey(), entry.getValue());
                        planted.add(entry.getKey());
                    }
                }
                arguments.add(write(Objects.toString(file.getFileName()), text));
            }
        }
        assertThat(planted).as("what is replaced").containsExactlyInAnyOrderElementsOf(patch.keySet());
        arguments.add(write("Factory.java", FACTORY.formatted(name)));
        var said = new StringWriter();
        var javac = ToolProvider.findFirst("javac").orElseThrow();
        int code = javac.run(new PrintWriter(said), new PrintWriter(said), arguments.toArray(String[]::new));
        assertThat(code).as(said.toString()).isZero();
        FACTORY_OF_TEST.set(Class.forName(name + ".Factory")
                .asSubclass(Function.class)
                .getConstructor()
                .newInstance());
    }

    private String write(String file, String text) throws IOException {
        return Files.writeString(sources.resolve(file), text).toString();
    }

    private static Path classes() {
        var home = PlantedQueueTest.class.getProtectionDomain().getCodeSource().getLocation();
        return Path.of(URI.create(home.toString()));
    }

    @AfterEach
    void remove_the_classes() throws IOException {
        var directory = classes().resolve(name.replace('.', '/'));
        try (var files = Files.list(directory)) {
            for (var file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(directory);
    }

    // ---- what is done

    /** A queue whose commands all have one key. */
    @SuppressWarnings("unchecked") // what Factory makes
    private static final class Planted {
        private final AtomicInteger handled = new AtomicInteger();
        private final Function<Object, Object> queue;

        Planted(int workers, Executor executor, int capacity, WhenFull whenFull) {
            var bus = InMemoryCommandBus.builder()
                    .handle(QueueTest.Count.class, command -> handled.incrementAndGet())
                    .build();
            var how = new Object[] {bus, executor, QueueTest.Count.class, capacity, whenFull.name(), workers};
            this.queue = (Function<Object, Object>)
                    Objects.requireNonNull(FACTORY_OF_TEST.get()).apply(how);
        }

        CompletableFuture<Integer> enqueue() {
            return (CompletableFuture<Integer>) queue.apply(new QueueTest.Count(1));
        }
    }

    /** Who enqueues sorts, while the other runs a command. */
    public static final class OfQueue {
        private final Planted queue = new Planted(2, Runnable::run, 100, WhenFull.WAIT);

        @Operation
        public int call() {
            return queue.enqueue().join();
        }
    }

    /** Who enqueues relies on the other, while he runs a command. */
    public static final class OfOneWorker {
        private final Planted queue = new Planted(1, Runnable::run, 100, WhenFull.WAIT);

        @Operation
        public int call() {
            return queue.enqueue().join();
        }
    }

    /** There is room for one, and who finds none waits. */
    public static final class OfWaiting {
        private final Planted queue = new Planted(1, Runnable::run, 1, WhenFull.WAIT);

        @Operation
        public int call() {
            return queue.enqueue().join();
        }
    }

    /** There is room for one, which is never run, and who finds none goes away. */
    public static final class OfRefusing {
        private final Planted queue = new Planted(1, task -> {}, 1, WhenFull.REFUSE);

        @Operation
        public String send() {
            try {
                return queue.enqueue().isDone() ? "run" : "sent";
            } catch (CqrsException full) {
                return full.getClass().getSimpleName();
            }
        }
    }

    /** What a queue means: a counter. */
    public static final class Plain {
        private int handled;

        public int call() {
            return ++handled;
        }
    }

    /** What a bound of one means. */
    public static final class Bounded {
        private boolean full;

        public String send() {
            boolean was = full;
            full = true;
            return was ? "QueueFullException" : "sent";
        }
    }
}
