package dev.cqrs.examples.schedule;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.examples.schedule.Parcels.Pack;
import dev.cqrs.examples.schedule.Parcels.Packed;
import dev.cqrs.jdbc.JdbcSchema;
import dev.cqrs.message.Metadata;
import dev.cqrs.schedule.ScheduleEvent.Ended;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Orders parcels, has a process pack them, kills it in the middle while another one comes, and tells who packed how many.
 *
 * <p>Needs a PostgreSQL, in which it makes its tables. Run it again, and it orders further parcels.
 */
public final class ParcelQueue {

    private static final List<String> CUSTOMERS = List.of("c-1", "c-2", "c-3", "c-4", "c-5", "c-6");
    private static final int PARCELS = 20;
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    private ParcelQueue() {}

    /**
     * Runs it all.
     *
     * @param args the URL of the database, such as {@code jdbc:postgresql://localhost/parcels?user=me}
     * @throws Exception if the database or a process cannot be used
     */
    public static void main(String[] args) throws Exception {
        if (args.length != 1) {
            System.err.println("usage: ParcelQueue URL, such as jdbc:postgresql://localhost/parcels?user=me");
            System.exit(2);
        }
        run(args[0], System.out);
    }

    static void run(String url, PrintStream out) throws Exception {
        var threads = Executors.newCachedThreadPool();
        var workers = new ArrayList<Worker>();
        try (var database = Parcels.connect(url)) {
            JdbcSchema.of(Parcels.DOMAIN).apply(database);
            JdbcSchema.of(Parcels.OPERATIONS).apply(database);
            try (var operations = Parcels.operations(database, threads)) {
                var domain = Parcels.domain(database);
                var schedule = Parcels.schedule(operations);
                var before = operations.head();
                // of the customer who has come least far: an earlier run may have been stopped while it ordered
                int first = 1
                        + CUSTOMERS.stream()
                                .mapToInt(c -> packed(domain, c).size())
                                .min()
                                .orElseThrow();
                workers.add(Worker.start(url, "worker-1", System.err));
                for (int number = first; number < first + PARCELS; number++) {
                    for (var customer : CUSTOMERS) {
                        schedule.enqueue(new Pack(customer, number), Metadata.withId(id(customer, number))); // once
                    }
                }
                out.println("ordered " + PARCELS * CUSTOMERS.size() + " parcels of " + CUSTOMERS.size() + " customers");

                schedule.awaitEnded(id(CUSTOMERS.get(0), first + 2), PATIENCE);
                workers.add(Worker.start(url, "worker-2", System.err));
                workers.get(0).kill();
                out.println("killed worker-1");

                for (var customer : CUSTOMERS) {
                    schedule.awaitEnded(id(customer, first + PARCELS - 1), PATIENCE);
                }
                tell(operations, before, domain, first + PARCELS - 1, out);
            }
        } finally {
            workers.forEach(Worker::kill);
            threads.shutdownNow();
        }
    }

    private static String id(String customer, int number) {
        return customer + "-" + number;
    }

    /** A process that packs; which says so if it ends though nobody has killed it. */
    record Worker(Process process, AtomicBoolean killed) {

        static Worker start(String url, String name, PrintStream err) throws IOException {
            var worker = new Worker(
                    new ProcessBuilder(
                                    Path.of(System.getProperty("java.home"), "bin", "java")
                                            .toString(),
                                    "-cp",
                                    classPath(Worker.class.getClassLoader()),
                                    PackingProcess.class.getName(),
                                    url,
                                    name)
                            .inheritIO()
                            .start(),
                    new AtomicBoolean());
            var unused = worker.process.onExit().thenAccept(ended -> {
                if (!worker.killed.get()) {
                    err.println(name + " has ended by itself, with status " + ended.exitValue());
                }
            });
            return worker;
        }

        void kill() {
            killed.set(true);
            process.destroyForcibly().onExit().join();
        }
    }

    /** Also where a build tool has loaded this program by a loader of its own. */
    static String classPath(ClassLoader loader) {
        return loader instanceof URLClassLoader known
                ? Stream.of(known.getURLs())
                        .map(url -> Path.of(URI.create(url.toString())).toString())
                        .collect(Collectors.joining(File.pathSeparator))
                : System.getProperty("java.class.path");
    }

    private static void tell(EventStore operations, Position before, EventStore domain, int last, PrintStream out) {
        var ended = new TreeMap<String, Integer>();
        try (var events = operations.read(
                EventQuery.types(Ended.class), ReadOptions.forwards().after(before))) {
            while (events.advance()) {
                var result = ((Ended) events.event()).result();
                ended.merge(result.worker() + " " + result.outcome(), 1, Integer::sum);
            }
        }
        ended.forEach((who, count) -> out.println(who + ": " + count));
        var expected = IntStream.rangeClosed(1, last).boxed().toList();
        for (var customer : CUSTOMERS) {
            out.println(customer + ": " + last + " parcels, each packed once and in order: "
                    + packed(domain, customer).equals(expected));
        }
    }

    private static List<Integer> packed(EventStore domain, String customer) {
        var numbers = new ArrayList<Integer>();
        try (var events = domain.read(EventQuery.types(Packed.class).withTags(Parcels.customer(customer)))) {
            while (events.advance()) {
                numbers.add(((Packed) events.event()).number());
            }
        }
        return numbers;
    }
}
