package dev.cqrs.benchmarks;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.axonframework.commandhandling.AsynchronousCommandBus;
import org.axonframework.commandhandling.GenericCommandMessage;
import org.axonframework.commandhandling.callbacks.FutureCallback;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** {@link Queueing} with Axon 4, which keeps no order and has no bound. */
public class QueueBenchmark extends Queueing {

    /** Its asynchronous bus, with as many threads; see {@link AxonBuses}. */
    @State(Scope.Benchmark)
    public static class Axon4 {

        private ExecutorService executor;
        private AsynchronousCommandBus bus;

        /** Starts the threads. */
        @Setup
        public void start(Load load) {
            executor = Executors.newFixedThreadPool(WORKERS);
            bus = AsynchronousCommandBus.builder().executor(executor).build();
            bus.subscribe(Deliver.class.getName(), message -> load.bus.dispatch((Deliver) message.getPayload()));
            bus.subscribe(Ping.class.getName(), message -> load.bus.dispatch((Ping) message.getPayload()));
        }

        /** Ends the threads. */
        @TearDown
        public void end() {
            executor.shutdown();
        }

        <C> FutureCallback<C, Integer> enqueue(C command) {
            var result = new FutureCallback<C, Integer>();
            bus.dispatch(new GenericCommandMessage<>(command), result);
            return result;
        }
    }

    /** Axon's bus. */
    @Benchmark
    @OperationsPerInvocation(BATCH)
    @Warmup(iterations = 12, time = 500, timeUnit = TimeUnit.MILLISECONDS)
    public int axon4(Load load, Axon4 peer) {
        for (var command : load.commands) {
            peer.enqueue(command);
        }
        return load.awaitAll();
    }

    /** Axon's bus: one command and its result. */
    @Benchmark
    @BenchmarkMode(Mode.SampleTime)
    @Warmup(iterations = 12, time = 500, timeUnit = TimeUnit.MILLISECONDS)
    public Object axon4RoundTrip(Load load, Axon4 peer) {
        return peer.enqueue(new Ping(load.commands[0].key())).getResult().getPayload();
    }
}
