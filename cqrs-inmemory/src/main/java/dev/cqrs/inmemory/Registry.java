package dev.cqrs.inmemory;

import dev.cqrs.command.Command;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.WiringException;
import dev.cqrs.query.Query;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/** Collects what the builders of both buses are told, finds every fault in it, and makes the dispatcher. */
final class Registry {

    private final String kind;
    private final Map<Class<?>, Registration> registrations = new LinkedHashMap<>();
    private final Set<Class<?>> required = new LinkedHashSet<>();
    private final List<Ordered> interceptors = new ArrayList<>();
    private final List<String> faults = new ArrayList<>();

    private record Registration(Target target, Kind kind, Place place) {

        /** What it is, by the name of its class where that tells, as a loop registers many at one place; and that place. */
        String described() {
            var handler = target.handler();
            boolean named = kind.what().equals(Description.shortName(handler.getClass()));
            return (named ? handler.getClass().getName() : kind.what()) + ", registered at " + place;
        }
    }

    /**
     * What a handler is, where its class does not tell.
     *
     * @param what in a word or two
     * @param decides whether it appends events
     * @param events the type above those that it appends, where that is known
     * @param projection the name of the one whose view it reads, where it does
     */
    record Kind(String what, boolean decides, Optional<Class<?>> events, Optional<String> projection) {

        static final Kind DECISION = new Kind("decision", true, Optional.empty(), Optional.empty());

        static Kind of(Object handler) {
            return handler instanceof DecisionHandler ? DECISION : named(Description.nameOf(handler));
        }

        static Kind decider(Class<?> events) {
            return new Kind("decider", true, Optional.of(events), Optional.empty());
        }

        static Kind view(String projection) {
            return new Kind("view of " + projection, false, Optional.empty(), Optional.of(projection));
        }

        static Kind resolved(Class<?> type) {
            return named(Description.shortName(type) + ", resolved at each send");
        }

        private static Kind named(String what) {
            return new Kind(what, false, Optional.empty(), Optional.empty());
        }
    }

    /** An interceptor as it was given to a builder. */
    record Ordered(int order, Interceptor interceptor, Place place) {

        Ordered(int order, Interceptor interceptor) {
            this(order, Objects.requireNonNull(interceptor, "interceptor"), Place.here());
        }

        static List<Ordered> sorted(List<Ordered> given) {
            return given.stream()
                    .sorted(Comparator.comparingInt(Ordered::order))
                    .toList();
        }
    }

    Registry(String kind) {
        this.kind = kind;
    }

    /** What was told so far, for a bus to keep: the builder may be told more. */
    Registry copy() {
        var copy = new Registry(kind);
        copy.registrations.putAll(registrations);
        copy.required.addAll(required);
        copy.interceptors.addAll(interceptors);
        copy.faults.addAll(faults);
        return copy;
    }

    void handle(Target target) {
        handle(target, Kind.of(target.handler()), Place.here());
    }

    void handle(Target target, Kind kind) {
        handle(target, kind, Place.here());
    }

    void resolve(Target target, Resolved<?> resolved) {
        handle(target, Kind.resolved(resolved.type()), resolved.place());
    }

    private void handle(Target target, Kind what, Place place) {
        var type = target.type;
        var registration = new Registration(target, what, place);
        var earlier = registrations.putIfAbsent(type, registration);
        if (earlier != null) {
            faults.add(type.getName() + " has two handlers: " + earlier.described() + " and " + registration.described()
                    + ". Remove one.");
            return;
        }
        if (type.getTypeParameters().length > 0) {
            faults.add(type.getName() + " is generic, and objects do not tell their type arguments; expected a class"
                    + " without type parameters. The result may be generic.");
        }
        if (isAbstract(type) && !coversSubtypes(type)) {
            faults.add(type.getName() + " is abstract and anybody may extend it; expected a concrete " + kind
                    + " class or a sealed family. Register its concrete classes, or seal it.");
        }
    }

    void requireAll(Class<?> root) {
        required.add(Objects.requireNonNull(root, "sealedRoot"));
    }

    void intercept(int order, Interceptor interceptor) {
        interceptors.add(new Ordered(order, interceptor));
    }

    Dispatcher build() {
        var all = new ArrayList<>(faults);
        var exact = new HashMap<Class<?>, Way>();
        for (var type : registrations.keySet()) {
            for (var leaf : concreteBelow(type)) {
                exact.put(leaf, target(mostSpecific(leaf).get(0)).of(leaf));
            }
            checkUnambiguous(type, all);
        }
        required.forEach(root -> checkCovered(root, all));
        if (!all.isEmpty()) {
            throw new WiringException(kind.equals("command") ? "InMemoryCommandBus" : "InMemoryQueryBus", all);
        }
        var ordered =
                Ordered.sorted(interceptors).stream().map(Ordered::interceptor).toList();
        var open = new LinkedHashMap<Class<?>, Way>();
        registrations.keySet().stream().filter(Registry::coversSubtypes).forEach(type -> open.put(type, target(type)));
        return new Dispatcher(exact, open, ordered);
    }

    /** Looks at what can be sent of a family, and at its open branches: what is below them is known only when it is sent. */
    private void checkUnambiguous(Class<?> root, List<String> all) {
        var found = concreteBelow(root);
        collectSendable(root, found);
        for (var type : found) {
            var candidates = mostSpecific(type);
            if (candidates.size() > 1) {
                var fault = type.getName() + " has two handlers that fit equally well, for "
                        + candidates.get(0).getName() + " at " + placeOf(candidates.get(0)) + " and for "
                        + candidates.get(1).getName() + " at " + placeOf(candidates.get(1))
                        + ". Register one for " + type.getSimpleName() + " itself.";
                if (!all.contains(fault)) {
                    all.add(fault);
                }
            }
        }
    }

    private void checkCovered(Class<?> root, List<String> all) {
        if (!root.isSealed()) {
            all.add("requireAll(" + root.getName() + ") needs a sealed type, whose subclasses are known. Seal it, or"
                    + " leave the call out.");
            return;
        }
        var missing = new LinkedHashSet<String>();
        collectMissing(root, missing);
        checkUnambiguous(root, all);
        if (!missing.isEmpty()) {
            all.add("requireAll(" + root.getName() + ") finds no handler for " + String.join(", ", missing)
                    + ". Register one for each, or one for the whole family.");
        }
    }

    private void collectMissing(Class<?> type, Set<String> missing) {
        boolean open = !type.isSealed() && !Modifier.isFinal(type.getModifiers());
        if ((open || !isAbstract(type)) && mostSpecific(type).isEmpty()) {
            missing.add(type.getName() + (open ? " (non-sealed)" : ""));
        }
        if (type.isSealed()) {
            for (var below : type.getPermittedSubclasses()) {
                collectMissing(below, missing);
            }
        }
    }

    private List<Class<?>> mostSpecific(Class<?> type) {
        return registrations.containsKey(type)
                ? List.of(type)
                : Dispatcher.mostSpecific(
                        type,
                        registrations.keySet().stream()
                                .filter(Registry::coversSubtypes)
                                .toList());
    }

    /** The concrete classes known by now whose handler is the one registered for {@code type}. */
    List<Class<?>> servedBy(Class<?> type) {
        return concreteBelow(type).stream()
                .filter(leaf -> mostSpecific(leaf).contains(type))
                .toList();
    }

    /** The type under which the handler for messages of {@code type} was registered, where there is one. */
    Optional<Class<?>> servedFrom(Class<?> type) {
        var candidates = mostSpecific(type);
        return candidates.size() == 1 ? Optional.of(candidates.get(0)) : Optional.empty();
    }

    /** Tells what was registered, and of the families of those messages what was not. */
    Description describe(Dispatcher dispatcher, Function<Class<?>, List<String>> eventNames) {
        var types = new LinkedHashSet<Class<?>>();
        registrations.keySet().forEach(type -> collectSendable(type, types));
        registrations.keySet().forEach(type -> sealedAbove(type, types));
        required.forEach(type -> collectSendable(type, types));
        var messages = types.stream()
                .map(type -> new Description.Message(
                        kind, type, isOpen(type), servedFrom(type).map(from -> handler(from, eventNames))))
                .toList();
        var concrete = types.stream()
                .filter(type -> isConcrete(type) && servedFrom(type).isPresent())
                .toList();
        var interceptions = Ordered.sorted(interceptors).stream()
                .map(ordered -> Description.Interception.of(
                        ordered,
                        concrete.stream()
                                .filter(type -> dispatcher.applicable(type).contains(ordered.interceptor()))
                                .toList()))
                .toList();
        return new Description(messages, interceptions, List.of(), List.of(), List.of());
    }

    private Description.Handler handler(Class<?> type, Function<Class<?>, List<String>> eventNames) {
        var registered = registration(type);
        var what = registered.kind();
        return new Description.Handler(
                type,
                what.what(),
                registered.place().toString(),
                what.decides(),
                what.events().map(eventNames).orElse(List.of()),
                what.projection());
    }

    /** The classes at and below {@code type} that can be sent, and the open types below which there may be more. */
    private static void collectSendable(Class<?> type, Set<Class<?>> found) {
        if (!isAbstract(type) || isOpen(type) || type.isEnum()) {
            found.add(type);
        }
        if (type.isSealed() && !type.isEnum()) {
            for (var below : type.getPermittedSubclasses()) {
                collectSendable(below, found);
            }
        }
    }

    /** What belongs to the families of a class, the nearest first. */
    private void sealedAbove(Class<?> type, Set<Class<?>> found) {
        var message = kind.equals("command") ? Command.class : Query.class;
        for (var above : directlyAbove(type)) {
            if (message.isAssignableFrom(above)) {
                if (above.isSealed()) {
                    collectSendable(above, found);
                }
                sealedAbove(above, found);
            }
        }
    }

    private static boolean isOpen(Class<?> type) {
        return !type.isSealed() && coversSubtypes(type);
    }

    private Target target(Class<?> type) {
        return registration(type).target();
    }

    private String placeOf(Class<?> type) {
        return registration(type).place().toString();
    }

    private Registration registration(Class<?> type) {
        return Objects.requireNonNull(registrations.get(type));
    }

    private static Set<Class<?>> concreteBelow(Class<?> type) {
        var found = new LinkedHashSet<Class<?>>();
        if (!isAbstract(type)) {
            found.add(type);
        }
        if (type.isSealed()) {
            for (var below : type.getPermittedSubclasses()) {
                found.addAll(concreteBelow(below));
            }
        }
        return found;
    }

    static boolean isConcrete(Class<?> type) {
        return !isAbstract(type);
    }

    private static boolean isAbstract(Class<?> type) {
        return Modifier.isAbstract(type.getModifiers());
    }

    /** Sealed families, and their non-sealed branches, whose classes become known only when they are sent. */
    private static boolean coversSubtypes(Class<?> type) {
        if (type.isSealed()) {
            return true;
        }
        if (Modifier.isFinal(type.getModifiers())) {
            return false;
        }
        return directlyAbove(type).stream().anyMatch(Class::isSealed);
    }

    private static List<Class<?>> directlyAbove(Class<?> type) {
        var above = new ArrayList<Class<?>>(List.of(type.getInterfaces()));
        if (type.getSuperclass() != null) {
            above.add(type.getSuperclass());
        }
        return above;
    }
}
