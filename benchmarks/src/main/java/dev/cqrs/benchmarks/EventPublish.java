package dev.cqrs.benchmarks;

import com.google.common.eventbus.Subscribe;
import dev.cqrs.event.EventBus.Subscriber;
import dev.cqrs.inmemory.InMemoryEventBus;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import net.engio.mbassy.bus.MBassador;
import net.engio.mbassy.listener.Handler;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.springframework.context.ApplicationListener;
import org.springframework.context.PayloadApplicationEvent;
import org.springframework.context.event.SimpleApplicationEventMulticaster;

/**
 * Publishing an event of one class to subscribers on the same thread, each of a class of its own, which add a number.
 *
 * <p>The heap is touched beforehand: some peers allocate so much that they would measure the system's paging otherwise.
 *
 * <p>Events are made beforehand. The floor is a loop over an array of the subscribers: no look-up, nobody comes or goes.
 * Guava, greenrobot and MBassador find subscribers by annotation and call them by reflection; Spring wraps the event in
 * one of its own. None hands metadata on.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 5,
        jvmArgs = {"-Xms1g", "-Xmx1g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 6, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public abstract class EventPublish {

    /** The event. */
    public record Happened(int value) {}

    /** A subscriber. */
    public abstract static class Sum implements Subscriber.Plain<Happened> {
        long n;

        @Override
        public abstract void on(Happened event);
    }

    /** One of ten that do the same. */
    public static final class First extends Sum {
        @Override
        public void on(Happened event) {
            n += event.value();
        }

        /** Called by reflection. */
        @Subscribe
        @org.greenrobot.eventbus.Subscribe
        @Handler
        public void receive(Happened event) {
            n += event.value();
        }
    }

    /** One of ten that do the same. */
    public static final class Second extends Sum {
        @Override
        public void on(Happened event) {
            n += event.value();
        }

        /** Called by reflection. */
        @Subscribe
        @org.greenrobot.eventbus.Subscribe
        @Handler
        public void receive(Happened event) {
            n += event.value();
        }
    }

    /** One of ten that do the same. */
    public static final class Third extends Sum {
        @Override
        public void on(Happened event) {
            n += event.value();
        }

        /** Called by reflection. */
        @Subscribe
        @org.greenrobot.eventbus.Subscribe
        @Handler
        public void receive(Happened event) {
            n += event.value();
        }
    }

    /** One of ten that do the same. */
    public static final class Fourth extends Sum {
        @Override
        public void on(Happened event) {
            n += event.value();
        }

        /** Called by reflection. */
        @Subscribe
        @org.greenrobot.eventbus.Subscribe
        @Handler
        public void receive(Happened event) {
            n += event.value();
        }
    }

    /** One of ten that do the same. */
    public static final class Fifth extends Sum {
        @Override
        public void on(Happened event) {
            n += event.value();
        }

        /** Called by reflection. */
        @Subscribe
        @org.greenrobot.eventbus.Subscribe
        @Handler
        public void receive(Happened event) {
            n += event.value();
        }
    }

    /** One of ten that do the same. */
    public static final class Sixth extends Sum {
        @Override
        public void on(Happened event) {
            n += event.value();
        }

        /** Called by reflection. */
        @Subscribe
        @org.greenrobot.eventbus.Subscribe
        @Handler
        public void receive(Happened event) {
            n += event.value();
        }
    }

    /** One of ten that do the same. */
    public static final class Seventh extends Sum {
        @Override
        public void on(Happened event) {
            n += event.value();
        }

        /** Called by reflection. */
        @Subscribe
        @org.greenrobot.eventbus.Subscribe
        @Handler
        public void receive(Happened event) {
            n += event.value();
        }
    }

    /** One of ten that do the same. */
    public static final class Eighth extends Sum {
        @Override
        public void on(Happened event) {
            n += event.value();
        }

        /** Called by reflection. */
        @Subscribe
        @org.greenrobot.eventbus.Subscribe
        @Handler
        public void receive(Happened event) {
            n += event.value();
        }
    }

    /** One of ten that do the same. */
    public static final class Ninth extends Sum {
        @Override
        public void on(Happened event) {
            n += event.value();
        }

        /** Called by reflection. */
        @Subscribe
        @org.greenrobot.eventbus.Subscribe
        @Handler
        public void receive(Happened event) {
            n += event.value();
        }
    }

    /** One of ten that do the same. */
    public static final class Tenth extends Sum {
        @Override
        public void on(Happened event) {
            n += event.value();
        }

        /** Called by reflection. */
        @Subscribe
        @org.greenrobot.eventbus.Subscribe
        @Handler
        public void receive(Happened event) {
            n += event.value();
        }
    }

    /** The events and the subscribers. */
    @State(Scope.Benchmark)
    public static class Feed {

        private static final List<Supplier<Sum>> KINDS = List.of(
                First::new,
                Second::new,
                Third::new,
                Fourth::new,
                Fifth::new,
                Sixth::new,
                Seventh::new,
                Eighth::new,
                Ninth::new,
                Tenth::new);

        /** How many subscribers there are, at most 10. */
        @Param({"1", "3", "10"})
        public int subscribers;

        Sum[] receivers = {};
        private final Happened[] events = new Happened[1_024];
        private int next;

        /** Makes events and subscribers. */
        @Setup
        public void fill() {
            var random = new Random(42);
            for (int i = 0; i < events.length; i++) {
                events[i] = new Happened(1 + random.nextInt(100));
            }
            receivers = KINDS.stream().limit(subscribers).map(Supplier::get).toArray(Sum[]::new);
        }

        /** Proves that the events arrived, everywhere the same. */
        @TearDown
        public void check() {
            for (var receiver : receivers) {
                if (receiver.n == 0 || receiver.n != receivers[0].n) {
                    throw new IllegalStateException(receiver.getClass().getSimpleName() + " came to " + receiver.n
                            + "; expected " + receivers[0].n + ", and not 0.");
                }
            }
        }

        Happened next() {
            return events[next++ & events.length - 1];
        }
    }

    /** This library. */
    @State(Scope.Benchmark)
    public static class Ours {
        InMemoryEventBus bus;
        InMemoryEventBus intercepted;

        /** Subscribes to one bus without and one with interceptors. */
        @Setup
        public void build(Feed feed) {
            bus = InMemoryEventBus.builder().build();
            var builder = InMemoryEventBus.builder();
            var three = Buses.threeInterceptors();
            for (int i = 0; i < three.size(); i++) {
                builder.intercept(i, three.get(i));
            }
            intercepted = builder.build();
            for (var receiver : feed.receivers) {
                bus.subscribe(Happened.class, receiver);
                intercepted.subscribe(Happened.class, receiver);
            }
        }
    }

    /** Guava. */
    @State(Scope.Benchmark)
    public static class Guava {
        final com.google.common.eventbus.EventBus bus = new com.google.common.eventbus.EventBus();

        /** Subscribes. */
        @Setup
        public void build(Feed feed) {
            for (var receiver : feed.receivers) {
                bus.register(receiver);
            }
        }
    }

    /** greenrobot. */
    @State(Scope.Benchmark)
    public static class Greenrobot {
        final org.greenrobot.eventbus.EventBus bus = org.greenrobot.eventbus.EventBus.builder()
                .throwSubscriberException(true)
                .build();

        /** Subscribes. */
        @Setup
        public void build(Feed feed) {
            for (var receiver : feed.receivers) {
                bus.register(receiver);
            }
        }
    }

    /** MBassador. */
    @State(Scope.Benchmark)
    public static class Mbassador {
        final MBassador<Object> bus = new MBassador<>(error -> {
            throw new IllegalStateException(error.toString());
        });

        /** Subscribes; it holds subscribers weakly, but the feed holds them too. */
        @Setup
        public void build(Feed feed) {
            for (var receiver : feed.receivers) {
                bus.subscribe(receiver);
            }
        }

        /** Ends its threads. */
        @TearDown
        public void close() {
            bus.shutdown();
        }
    }

    /** Spring, without an application context. */
    @State(Scope.Benchmark)
    public static class Spring {
        final SimpleApplicationEventMulticaster bus = new SimpleApplicationEventMulticaster();

        private record Listener(Sum receiver) implements ApplicationListener<PayloadApplicationEvent<Happened>> {
            @Override
            public void onApplicationEvent(PayloadApplicationEvent<Happened> event) {
                receiver.on(event.getPayload());
            }
        }

        /** Subscribes. */
        @Setup
        public void build(Feed feed) {
            for (var receiver : feed.receivers) {
                bus.addApplicationListener(new Listener(receiver));
            }
        }
    }

    /** A loop over an array. */
    @Benchmark
    public void floor(Feed feed) throws Exception {
        Subscriber.Plain<Happened>[] receivers = feed.receivers;
        var event = feed.next();
        for (var receiver : receivers) {
            receiver.on(event);
        }
    }

    /** Through the bus. */
    @Benchmark
    public int cqrs(Ours ours, Feed feed) {
        return ours.bus.publish(feed.next());
    }

    /** Through the bus, with three interceptors around each subscriber. */
    @Benchmark
    public int cqrsThreeInterceptors(Ours ours, Feed feed) {
        return ours.intercepted.publish(feed.next());
    }

    /** Through Guava's. */
    @Benchmark
    public void guava(Guava peer, Feed feed) {
        peer.bus.post(feed.next());
    }

    /** Through greenrobot's. */
    @Benchmark
    public void greenrobot(Greenrobot peer, Feed feed) {
        peer.bus.post(feed.next());
    }

    /** Through MBassador. */
    @Benchmark
    public void mbassador(Mbassador peer, Feed feed) {
        peer.bus.publish(feed.next());
    }

    /** Through Spring's. */
    @Benchmark
    public void spring(Spring peer, Feed feed) {
        peer.bus.multicastEvent(new PayloadApplicationEvent<>(this, feed.next()));
    }
}
