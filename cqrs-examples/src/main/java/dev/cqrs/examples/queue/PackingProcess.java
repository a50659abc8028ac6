package dev.cqrs.examples.queue;

import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** A process that packs what is ordered, until it is killed. */
public final class PackingProcess {

    private PackingProcess() {}

    /**
     * Starts the worker; its threads keep the process alive.
     *
     * @param args the URL of the database, and a name
     */
    public static void main(String[] args) {
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
