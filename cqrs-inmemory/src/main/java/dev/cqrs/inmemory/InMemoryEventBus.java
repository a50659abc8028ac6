package dev.cqrs.inmemory;

import dev.cqrs.event.EventBus;
import dev.cqrs.inmemory.Registry.Ordered;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.task.Thrown;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * An event bus in the memory of one process.
 *
 * <p>Publishing an event of a class that was published before is one look-up and the calls; without interceptors it
 * allocates nothing. A change of subscribers copies the list of them, and each class of events is looked at anew when
 * it is published next: this bus is for publishing much more often than subscribing.
 *
 * <p><b>Memory:</b> the bus holds no class of a published event, so the class loaders of plug-ins can go. A subscriber
 * and the type it subscribed to are held until its subscription is closed, and not after.
 *
 * <p><b>Interceptors</b> run around each call of a subscriber, in the order of their numbers. One that replaces the event
 * must hand on one of the type that the subscriber wants. They are asked whether they apply to a class of events when it
 * is published first, and again after subscribers have come or gone.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public final class InMemoryEventBus implements EventBus {

    /*
     * `routes` is immutable and replaced as a whole: with `lock` held, by who subscribes, leaves, or publishes a class not
     * met before. A publisher reads it once; that is the snapshot of its event. Who leaves takes the subscriber out of its
     * receiver, which every snapshot shares, and then replaces `routes`: a publisher that calls subscribers past their
     * receivers looks before each call whether that has happened.
     */

    private final List<Ordered> given;
    private final List<Interceptor> interceptors;
    private final ReentrantLock lock = new ReentrantLock();
    private volatile Routes routes = new Routes(List.of(), new Route[1], null);

    /** One subscription, of a subscriber without metadata or of one with them. */
    private final class Receiver implements Subscription {

        private volatile @Nullable Class<?> type;
        private volatile Subscriber.@Nullable Plain<Object> plain;
        private volatile @Nullable Subscriber<Object> subscriber;

        Receiver(Class<?> type, Subscriber.@Nullable Plain<Object> plain, @Nullable Subscriber<Object> subscriber) {
            this.type = type;
            this.plain = plain;
            this.subscriber = subscriber;
        }

        /** Gives whether there was somebody to call: not where it has left. */
        boolean call(Object event, Metadata metadata) throws Exception {
            var first = plain;
            if (first != null) {
                first.on(event);
                return true;
            }
            var other = subscriber;
            if (other != null) {
                other.on(event, metadata);
                return true;
            }
            return false;
        }

        boolean hasLeft() {
            return plain == null && subscriber == null;
        }

        @Nullable
        Object called() {
            var first = plain;
            return first != null ? first : subscriber;
        }

        boolean hears(Class<?> eventType) {
            var wanted = type;
            return wanted != null && wanted.isAssignableFrom(eventType);
        }

        @Override
        public void close() {
            plain = null;
            subscriber = null;
            type = null;
            lock.lock();
            try {
                var left = new ArrayList<>(routes.receivers);
                if (left.remove(this)) {
                    routes = new Routes(List.copyOf(left), new Route[1], null);
                }
            } finally {
                lock.unlock();
            }
        }
    }

    /** The end of a chain of interceptors. */
    private static final class End extends Way {

        private final Receiver receiver;

        End(Receiver receiver) {
            super(Object.class); // not the event's: it would be held
            this.receiver = receiver;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            Objects.requireNonNull(message, "message");
            Objects.requireNonNull(metadata, "metadata");
            var wanted = receiver.type;
            if (wanted == null) {
                return Done.DONE; // it has left meanwhile
            }
            if (!wanted.isInstance(message)) {
                throw new IllegalArgumentException("An interceptor handed on a "
                        + message.getClass().getName() + " to a subscriber of " + wanted.getName()
                        + ", who was not called; expected an event of that type.");
            }
            receiver.call(message, metadata);
            return Done.DONE;
        }
    }

    /**
     * Whom the events of one class reach. It refers to the class weakly, and nothing in it refers to the class strongly.
     */
    private static final class Route extends WeakReference<Class<?>> {

        final int hash;
        final Receiver[] receivers;

        /** The subscribers themselves where none wants metadata and no interceptor applies: a step less a call. */
        final Subscriber.Plain<Object> @Nullable [] plains;

        /** One for each receiver, or {@code null} where no interceptor applies. */
        final Way @Nullable [] ways;

        Route(
                Class<?> type,
                Receiver[] receivers,
                Subscriber.Plain<Object> @Nullable [] plains,
                Way @Nullable [] ways) {
            super(type);
            this.hash = type.hashCode();
            this.receivers = receivers;
            this.plains = plains;
            this.ways = ways;
        }
    }

    /** All who have subscribed, in order, and a hash table of the routes of the classes published since. */
    private static final class Routes {

        final List<Receiver> receivers;
        private final Route[] table;

        /** The one added last: a bus that mostly publishes one class saves the look-up. */
        private final @Nullable Route first;

        Routes(List<Receiver> receivers, Route[] table, @Nullable Route first) {
            this.receivers = receivers;
            this.table = table;
            this.first = first;
        }

        @Nullable
        Route find(Class<?> type) {
            var likely = first;
            if (likely != null && likely.refersTo(type)) {
                return likely;
            }
            int mask = table.length - 1;
            for (int i = type.hashCode() & mask; ; i = (i + 1) & mask) {
                var found = table[i];
                if (found == null || found.refersTo(type)) {
                    return found;
                }
            }
        }

        /** With one more route, and without those whose class is gone. */
        Routes with(Route added) {
            var alive = new ArrayList<Route>();
            alive.add(added);
            for (var route : table) {
                if (route != null && !route.refersTo(null)) {
                    alive.add(route);
                }
            }
            var more = new Route[Integer.highestOneBit(alive.size()) * 8]; // mostly empty: found at one look
            for (var route : alive) {
                int i = route.hash & (more.length - 1);
                while (more[i] != null) {
                    i = (i + 1) & (more.length - 1);
                }
                more[i] = route;
            }
            return new Routes(receivers, more, first != null && !first.refersTo(null) ? first : added);
        }
    }

    private InMemoryEventBus(List<Ordered> given) {
        this.given = given;
        this.interceptors = given.stream().map(Ordered::interceptor).toList();
    }

    /**
     * Begins a bus.
     *
     * @return a builder without interceptors
     */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public int publish(Object event, Metadata metadata) {
        Objects.requireNonNull(event, "event");
        Objects.requireNonNull(metadata, "metadata");
        var seen = routes;
        var route = seen.find(event.getClass());
        if (route == null) {
            route = resolve(event.getClass());
        }
        var plains = route.plains;
        if (plains != null) {
            return call(seen, plains, route.receivers, event, metadata);
        }
        var ways = route.ways;
        return ways == null
                ? callRest(route.receivers, 0, null, false, event, metadata)
                : call(route.receivers, ways, event, metadata);
    }

    /** The ordinary way, which keeps nothing in mind: whoever has left or thrown ends it, and the rest goes on. */
    private int call(
            Routes seen, Subscriber.Plain<Object>[] plains, Receiver[] receivers, Object event, Metadata metadata) {
        for (int i = 0; i < plains.length; i++) {
            if (routes != seen) { // somebody may have left
                return callRest(receivers, i, null, false, event, metadata);
            }
            try {
                plains[i].on(event);
            } catch (Throwable thrown) {
                return callRest(
                        receivers,
                        i + 1,
                        with(null, thrown, event),
                        thrown instanceof InterruptedException,
                        event,
                        metadata);
            }
        }
        return plains.length;
    }

    /** Goes on with those at {@code from}; all before were called. */
    private static int callRest(
            Receiver[] receivers,
            int from,
            @Nullable List<Throwable> failuresBefore,
            boolean interruptedBefore,
            Object event,
            Metadata metadata) {
        int called = from;
        var failures = failuresBefore;
        boolean interrupted = interruptedBefore;
        for (int i = from; i < receivers.length; i++) {
            try {
                if (receivers[i].call(event, metadata)) {
                    called++;
                }
            } catch (Throwable thrown) {
                failures = with(failures, thrown, event);
                interrupted |= thrown instanceof InterruptedException;
            }
        }
        throwIfAny(failures, interrupted);
        return called; // of those who threw none is counted: then this line is not reached
    }

    private static int call(Receiver[] receivers, Way[] ways, Object event, Metadata metadata) {
        int called = 0;
        List<Throwable> failures = null;
        boolean interrupted = false;
        for (int i = 0; i < ways.length; i++) {
            if (!receivers[i].hasLeft()) {
                called++;
                try {
                    ways[i].proceed(event, metadata);
                } catch (Throwable thrown) {
                    failures = with(failures, thrown, event);
                    interrupted |= thrown instanceof InterruptedException;
                }
            }
        }
        throwIfAny(failures, interrupted);
        return called;
    }

    /** The failures so far, and one more; there is no list before the first. */
    private static List<Throwable> with(@Nullable List<Throwable> before, Throwable thrown, Object event) {
        var failures = before == null ? new ArrayList<Throwable>(1) : before;
        failures.add(
                thrown instanceof RuntimeException || thrown instanceof Error
                        ? thrown
                        : new HandlerFailedException(event.getClass(), thrown));
        return failures;
    }

    /**
     * Throws the first failure with the others in it; an error goes first, lest who catches exceptions swallow it. The flag is
     * restored when all were called: none of the others is to be interrupted for it.
     */
    private static void throwIfAny(@Nullable List<Throwable> failures, boolean interrupted) {
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (failures == null) {
            return;
        }
        var first =
                failures.stream().filter(Error.class::isInstance).findFirst().orElse(failures.get(0));
        failures.forEach(other -> Thrown.keep(first, other, failures.size()));
        if (first instanceof RuntimeException exception) {
            throw exception;
        }
        if (first instanceof Error error) {
            throw error;
        }
    }

    /** Asks the interceptors without the lock, as they may subscribe, or wait for somebody who does. */
    private Route resolve(Class<?> type) {
        var receivers = routes.receivers;
        var route = route(type, receivers);
        lock.lock();
        try {
            // otherwise it is the snapshot of this event alone
            if (routes.receivers == receivers && routes.find(type) == null) {
                routes = routes.with(route);
            }
        } finally {
            lock.unlock();
        }
        return route;
    }

    private Route route(Class<?> type, List<Receiver> all) {
        var receivers = all.stream().filter(receiver -> receiver.hears(type)).toArray(Receiver[]::new);
        var applicable = interceptors.stream()
                .filter(interceptor -> interceptor.appliesTo(type))
                .toList();
        if (applicable.isEmpty()) {
            return new Route(type, receivers, plains(receivers), null);
        }
        var ways = new Way[receivers.length];
        for (int i = 0; i < ways.length; i++) {
            ways[i] = Chain.of(Object.class, applicable, new End(receivers[i]));
        }
        return new Route(type, receivers, null, ways);
    }

    @SuppressWarnings({"unchecked", "rawtypes"}) // an array of a generic type cannot be made otherwise
    private static Subscriber.Plain<Object> @Nullable [] plains(Receiver[] receivers) {
        var plains = new Subscriber.Plain[receivers.length];
        for (int i = 0; i < plains.length; i++) {
            var plain = receivers[i].plain;
            if (plain == null) {
                return null;
            }
            plains[i] = plain;
        }
        return plains;
    }

    @Override
    @SuppressWarnings("unchecked") // it is called with events of its type only
    public <E> Subscription subscribe(Class<E> type, Subscriber<E> subscriber) {
        Objects.requireNonNull(subscriber, "subscriber");
        return add(new Receiver(type, null, (Subscriber<Object>) subscriber), type);
    }

    @Override
    @SuppressWarnings("unchecked") // it is called with events of its type only
    public <E> Subscription subscribe(Class<E> type, Subscriber.Plain<E> subscriber) {
        Objects.requireNonNull(subscriber, "subscriber");
        return add(new Receiver(type, (Subscriber.Plain<Object>) subscriber, null), type);
    }

    private Subscription add(Receiver receiver, Class<?> type) {
        if (type.isPrimitive()) {
            throw new IllegalArgumentException("Events of type " + type.getName()
                    + " were asked for, and there are none: it is primitive. Subscribe to the class around it.");
        }
        lock.lock();
        try {
            var more = new ArrayList<>(routes.receivers);
            more.add(receiver);
            routes = new Routes(List.copyOf(more), new Route[1], null);
        } finally {
            lock.unlock();
        }
        return receiver;
    }

    /**
     * Tells the interceptors, and who subscribes at this moment. Which interceptors run around what is told for the concrete
     * classes that are subscribed to.
     *
     * @return never {@code null}; later changes do not reach it
     */
    public Description describe() {
        var subscribers = new ArrayList<Description.Subscriber>();
        for (var receiver : routes.receivers) {
            var type = receiver.type;
            var called = receiver.called();
            if (type != null && called != null) { // it has not left meanwhile
                subscribers.add(new Description.Subscriber(type, Description.whose(called)));
            }
        }
        var concrete = subscribers.stream()
                .<Class<?>>map(Description.Subscriber::type)
                .filter(Registry::isConcrete)
                .distinct()
                .toList();
        var interceptions = given.stream()
                .map(ordered -> Description.Interception.of(
                        ordered,
                        concrete.stream()
                                .filter(ordered.interceptor()::appliesTo)
                                .toList()))
                .toList();
        return new Description(List.of(), interceptions, List.of(), List.of(), subscribers);
    }

    /**
     * Collects interceptors.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final List<Ordered> interceptors = new ArrayList<>();

        private Builder() {}

        /**
         * Adds an interceptor.
         *
         * @param order lower numbers run further out; equal ones in the order of these calls
         * @param interceptor runs around each call of a subscriber
         * @return this builder
         */
        public Builder intercept(int order, Interceptor interceptor) {
            interceptors.add(new Ordered(order, interceptor));
            return this;
        }

        /**
         * Makes the bus.
         *
         * @return a bus without subscribers
         */
        public InMemoryEventBus build() {
            return new InMemoryEventBus(Ordered.sorted(interceptors));
        }
    }
}
