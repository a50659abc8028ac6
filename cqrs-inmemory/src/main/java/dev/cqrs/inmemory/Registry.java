package dev.cqrs.inmemory;

import dev.cqrs.message.Interceptor;
import dev.cqrs.message.WiringException;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** Collects what the builders of both buses are told, finds every fault in it, and makes the dispatcher. */
final class Registry {

    /** The classes whose lines are not where the user registered something. */
    private static final Set<String> OWN = Set.of(
            Registry.class.getName(),
            InMemoryCommandBus.Builder.class.getName(),
            InMemoryQueryBus.Builder.class.getName(),
            InMemoryCqrs.Builder.class.getName());

    private final String kind;
    private final Map<Class<?>, Registration> registrations = new LinkedHashMap<>();
    private final Set<Class<?>> required = new LinkedHashSet<>();
    private final List<Ordered> interceptors = new ArrayList<>();
    private final List<String> faults = new ArrayList<>();

    /** The place is a throwable, as that is the cheapest way to remember a line that is hardly ever asked for. */
    private record Registration(Target target, Throwable place) {}

    private record Ordered(int order, Interceptor interceptor) {}

    Registry(String kind) {
        this.kind = kind;
    }

    void handle(Target target) {
        handle(target, new Throwable());
    }

    void handle(Target target, Throwable place) {
        var type = target.type;
        var registration = new Registration(target, place);
        var earlier = registrations.putIfAbsent(type, registration);
        if (earlier != null) {
            faults.add(type.getName() + " has two handlers, registered at " + place(earlier) + " and at "
                    + place(registration) + ". Remove one.");
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
        interceptors.add(new Ordered(order, Objects.requireNonNull(interceptor, "interceptor")));
    }

    Dispatcher build() {
        var all = new ArrayList<>(faults);
        var exact = new HashMap<Class<?>, Way>();
        for (var type : registrations.keySet()) {
            for (var leaf : concreteBelow(type)) {
                var candidates = mostSpecific(leaf);
                if (candidates.size() > 1) {
                    var fault = leaf.getName() + " has two handlers that fit equally well, for "
                            + candidates.get(0).getName() + " at " + placeOf(candidates.get(0)) + " and for "
                            + candidates.get(1).getName() + " at " + placeOf(candidates.get(1))
                            + ". Register one for " + leaf.getSimpleName() + " itself.";
                    if (!all.contains(fault)) {
                        all.add(fault);
                    }
                } else {
                    exact.put(leaf, target(candidates.get(0)).of(leaf));
                }
            }
        }
        required.forEach(root -> checkCovered(root, all));
        if (!all.isEmpty()) {
            throw new WiringException(kind.equals("command") ? "InMemoryCommandBus" : "InMemoryQueryBus", all);
        }
        var ordered = interceptors.stream()
                .sorted(Comparator.comparingInt(Ordered::order))
                .map(Ordered::interceptor)
                .toList();
        var open = new LinkedHashMap<Class<?>, Way>();
        registrations.keySet().stream().filter(Registry::coversSubtypes).forEach(type -> open.put(type, target(type)));
        return new Dispatcher(exact, open, ordered);
    }

    private void checkCovered(Class<?> root, List<String> all) {
        if (!root.isSealed()) {
            all.add("requireAll(" + root.getName() + ") needs a sealed type, whose subclasses are known. Seal it, or"
                    + " leave the call out.");
            return;
        }
        var missing = new LinkedHashSet<String>();
        collectMissing(root, missing);
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

    private Target target(Class<?> type) {
        return registration(type).target();
    }

    private String placeOf(Class<?> type) {
        return place(registration(type));
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
        var above = new ArrayList<Class<?>>(List.of(type.getInterfaces()));
        if (type.getSuperclass() != null) {
            above.add(type.getSuperclass());
        }
        return above.stream().anyMatch(Class::isSealed);
    }

    private static String place(Registration registration) {
        for (var frame : registration.place().getStackTrace()) {
            if (!OWN.contains(frame.getClassName())) {
                return frame.getClassName() + "." + frame.getMethodName() + "(" + frame.getFileName() + ":"
                        + frame.getLineNumber() + ")";
            }
        }
        return "an unknown place";
    }
}
