package dev.cqrs.examples.schedule;

import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** A process that packs what is ordered, until it is killed, or the process that has started it ends. */
public final class PackingProcess {

    private PackingProcess() {}

    /**
     * Starts the worker; its threads keep the process alive.
     *
     * @param args the URL of the database, and a name
     */
    public static void main(String[] args) {
        if (args.length != 2) {
            System.err.println(
                    "usage: PackingProcess URL NAME, such as jdbc:postgresql://localhost/parcels?user=me worker-3");
            System.exit(2);
        }
        // nobody else would end it where its starter is stopped; a command under way is packed by the next worker
        ProcessHandle.current().parent().ifPresent(starter -> {
            var unused = starter.onExit().thenRun(() -> System.exit(0));
        });
        var threads = Executors.newCachedThreadPool();
        var timer = Executors.newSingleThreadScheduledExecutor();
        var database = Parcels.connect(args[0]);
        Parcels.schedule(Parcels.operations(database, threads))
                .work(
                        args[1],
                        Parcels.bus(Parcels.domain(database)),
                        threads,
                        (delay, task) -> {
                            var unused = timer.schedule(task, delay.toMillis(), TimeUnit.MILLISECONDS);
                        },
                        failure -> System.err.println(failure));
    }
}
