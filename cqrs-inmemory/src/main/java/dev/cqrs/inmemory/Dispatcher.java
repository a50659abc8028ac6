package dev.cqrs.inmemory;

import dev.cqrs.command.Command;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import dev.cqrs.query.Query;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/**
 * Sends messages through interceptors to handlers: what both buses are made of.
 *
 * <p>Where every interceptor runs around every message, one chain serves all of them and ends in the look-up of the
 * handler. Otherwise the look-up comes first and finds a chain a class. Either way a send is one look-up, and allocates
 * nothing.
 */
final class Dispatcher {

    private final Map<Class<?>, Way> open;
    private final List<Interceptor> interceptors;
    private final LookUp handlers;
    private final boolean sharedChain;
    private final ConcurrentHashMap<Class<?>, List<Interceptor>> applicable = new ConcurrentHashMap<>();
    private final Way entry;

    /** Finds what stands behind a class: at once for those known at build, and once for each that appears later. */
    private abstract static class LookUp extends Way {

        /*
         * A hash table of our own, as it never changes and can be mostly empty: nearly every class is found with one
         * look. The class that is sent first has a short cut: a bus that mostly sends one class saves the look-up, and
         * others pay one comparison. It is never written again, so that threads share no writes (docs/adr/0003).
         */
        private final Way[] table;
        private final Set<Class<?>> types;
        private final ConcurrentHashMap<Class<?>, Way> late = new ConcurrentHashMap<>();
        private Way first = this;

        LookUp(Map<Class<?>, Way> known) {
            super(LookUp.class); // no message is of that class: an interceptor may hand on any object
            table = new Way[Integer.highestOneBit(Math.max(known.size(), 1)) * 8];
            types = Set.copyOf(known.keySet());
            for (var way : known.values()) {
                int i = place(way.type);
                while (table[i] != null) {
                    i = place(i + 1);
                }
                table[i] = way;
            }
        }

        private int place(Class<?> type) {
            return place(type.hashCode());
        }

        private int place(int i) {
            return i & (table.length - 1);
        }

        final Way find(Class<?> type) {
            for (int i = place(type); ; i = place(i + 1)) {
                var found = table[i];
                if (found == null) {
                    return once(late, type, this::resolve);
                }
                if (found.type == type) {
                    return found;
                }
            }
        }

        private Way findAndRemember(Class<?> type) {
            var found = find(type);
            if (first == this && found.type == type) {
                first = found; // a race is harmless: what is found never changes
            }
            return found;
        }

        final Set<Class<?>> knownTypes() {
            return types;
        }

        abstract Way resolve(Class<?> type);

        @Override
        public final Object proceed(Object message, Metadata metadata) throws Exception {
            var type = message.getClass();
            var likely = first;
            return (likely.type == type ? likely : findAndRemember(type)).proceed(message, metadata);
        }
    }

    private final class Handlers extends LookUp {

        Handlers(Map<Class<?>, Way> exact) {
            super(exact);
        }

        @Override
        Way resolve(Class<?> type) {
            var best = mostSpecific(type, open.keySet());
            return switch (best.size()) {
                case 0 -> throw new NoHandlerException(type, hint(type));
                case 1 -> Objects.requireNonNull(open.get(best.get(0)));
                default ->
                    throw new NoHandlerException(
                            type,
                            "The handlers for " + best.get(0).getName() + " and "
                                    + best.get(1).getName() + " fit equally well.");
            };
        }
    }

    private final class Chains extends LookUp {

        Chains(Map<Class<?>, Way> chains) {
            super(chains);
        }

        @Override
        Way resolve(Class<?> type) {
            try {
                return chainFor(type, handlers);
            } catch (RuntimeException unknown) { // an interceptor need not know a class that nobody handles
                handlers.find(type);
                throw unknown;
            }
        }
    }

    /** The handler of one class, for a route in hand; a message that an interceptor replaced finds its own. */
    private static final class Known extends Way {
        private final Way handler;
        private final Way others;

        Known(Class<?> type, Way handler, Way others) {
            super(type);
            this.handler = handler;
            this.others = others;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            return (message.getClass() == type ? handler : others).proceed(message, metadata);
        }
    }

    Dispatcher(Map<Class<?>, Way> exact, Map<Class<?>, Way> open, List<Interceptor> interceptors) {
        this.open = open;
        this.interceptors = interceptors;
        this.sharedChain = interceptors.stream().allMatch(Dispatcher::appliesToAll);
        this.handlers = new Handlers(exact);
        if (sharedChain) {
            this.entry = Chain.of(Object.class, interceptors, handlers);
        } else {
            var chains = new HashMap<Class<?>, Way>();
            exact.forEach((type, handler) -> chains.put(type, chainFor(type, new Known(type, handler, handlers))));
            this.entry = new Chains(chains);
        }
    }

    /** The way to the handlers of all classes. */
    Way entry() {
        return entry;
    }

    /** The way to the handler of one class; for a sealed root, to whichever handler the message's class has. */
    Way wayTo(Class<?> type) {
        Objects.requireNonNull(type, "type");
        if (open.containsKey(type) && !handlers.knownTypes().contains(type)) {
            return entry;
        }
        var handler = handlers.find(type);
        return interceptors.isEmpty() ? handler : chainFor(type, new Known(type, handler, handlers));
    }

    /** Sends what comes from outside. */
    static Object send(Way way, String kind, Object message, Metadata metadata) {
        Objects.requireNonNull(message, kind);
        Objects.requireNonNull(metadata, "metadata");
        try {
            return way.proceed(message, metadata);
        } catch (Throwable thrown) {
            throw unchecked(message, thrown);
        }
    }

    /** What was thrown, if the caller may be told it as it is; a language without checked exceptions may throw any. */
    static RuntimeException unchecked(Object message, Throwable thrown) {
        if (thrown instanceof RuntimeException exception) {
            return exception;
        }
        if (thrown instanceof Error error) {
            throw error;
        }
        if (thrown instanceof InterruptedException) {
            Thread.currentThread().interrupt();
        }
        return new HandlerFailedException(message.getClass(), thrown);
    }

    private Way chainFor(Class<?> type, Way end) {
        return Chain.of(type, applicable(type), end);
    }

    /** The interceptors around messages of a class, each asked once; by each of the threads that meet it first at one time. */
    List<Interceptor> applicable(Class<?> type) {
        return sharedChain
                ? interceptors
                : once(
                        applicable,
                        type,
                        t -> interceptors.stream()
                                .filter(interceptor -> interceptor.appliesTo(t))
                                .toList());
    }

    /** Finds it with no lock of the map held: an interceptor that is asked may wait for another thread that sends. */
    private static <T> T once(ConcurrentHashMap<Class<?>, T> known, Class<?> type, Function<Class<?>, T> find) {
        var before = known.get(type);
        if (before != null) {
            return before;
        }
        var found = find.apply(type);
        var meanwhile = known.putIfAbsent(type, found);
        return meanwhile != null ? meanwhile : found;
    }

    private String hint(Class<?> type) {
        var known = new ArrayList<Class<?>>(handlers.knownTypes());
        known.addAll(open.keySet());
        if (known.isEmpty()) {
            return "The bus has no handlers at all.";
        }
        var families = familiesOf(type);
        var nearest = Collections.min(
                known,
                Comparator.comparingInt((Class<?> candidate) -> distance(candidate, type, families))
                        .thenComparing(Class::getName));
        int distance = distance(nearest, type, families);
        if (distance == families.size()) {
            return "";
        }
        return "The nearest is " + nearest.getName()
                + switch (distance) {
                    case SUPERCLASS -> ", a superclass, whose handler serves only its own class.";
                    case NAMESAKE -> ", of the same simple name: another package or class loader?";
                    default -> ", of the same family.";
                };
    }

    private static final int SUPERCLASS = -2;
    private static final int NAMESAKE = -1;

    /** How far an unknown class is from a known one: the number of families that are nearer to it than the first shared one. */
    private static int distance(Class<?> candidate, Class<?> type, List<Class<?>> families) {
        if (candidate.isAssignableFrom(type)) {
            return SUPERCLASS;
        }
        if (candidate.getSimpleName().equals(type.getSimpleName())) {
            return NAMESAKE;
        }
        int i = 0;
        while (i < families.size() && !families.get(i).isAssignableFrom(candidate)) {
            i++;
        }
        return i;
    }

    /** What a class extends and implements, the nearest first, except what says nothing of its kin. */
    private static List<Class<?>> familiesOf(Class<?> type) {
        var found = new ArrayList<Class<?>>(List.of(type));
        for (int i = 0; i < found.size(); i++) { // grows meanwhile: first all parents, then all grandparents
            var above = new ArrayList<Class<?>>(List.of(found.get(i).getInterfaces()));
            if (found.get(i).getSuperclass() != null) {
                above.add(found.get(i).getSuperclass());
            }
            for (var one : above) {
                if (one != Command.class
                        && one != Query.class
                        && !one.getName().startsWith("java.")
                        && !found.contains(one)) {
                    found.add(one);
                }
            }
        }
        return found.subList(1, found.size());
    }

    /** Whether {@code appliesTo} is as the interface defines it, so that there is no class to ask about. */
    static boolean appliesToAll(Interceptor interceptor) {
        try {
            return interceptor.getClass().getMethod("appliesTo", Class.class).getDeclaringClass() == Interceptor.class;
        } catch (NoSuchMethodException unseen) {
            return false; // a native image may hide the method; asking it is always right
        }
    }

    static List<Class<?>> mostSpecific(Class<?> type, Collection<Class<?>> candidates) {
        var fitting = candidates.stream().filter(c -> c.isAssignableFrom(type)).toList();
        return fitting.stream()
                .filter(one -> fitting.stream().noneMatch(other -> other != one && one.isAssignableFrom(other)))
                .toList();
    }
}
