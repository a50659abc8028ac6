package dev.cqrs.benchmarks;

import java.util.concurrent.TimeUnit;
import org.axonframework.eventhandling.GenericEventMessage;
import org.axonframework.eventhandling.SimpleEventBus;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** {@link EventPublish} with Axon 4, whose code is large and so takes longer to warm up. */
public class EventPublishBenchmark extends EventPublish {

    /** Axon 4's simple bus: on the publishing thread, without monitors and tracing. */
    @State(Scope.Benchmark)
    public static class Axon4 {
        final SimpleEventBus bus = SimpleEventBus.builder().build();

        /** Subscribes. */
        @Setup
        public void build(Feed feed) {
            for (var receiver : feed.receivers) {
                bus.subscribe(messages -> messages.forEach(message -> receiver.on((Happened) message.getPayload())));
            }
        }
    }

    /** Through Axon's bus. */
    @Benchmark
    @Warmup(iterations = 12, time = 500, timeUnit = TimeUnit.MILLISECONDS)
    public void axon4(Axon4 peer, Feed feed) {
        peer.bus.publish(GenericEventMessage.asEventMessage(feed.next()));
    }
}
