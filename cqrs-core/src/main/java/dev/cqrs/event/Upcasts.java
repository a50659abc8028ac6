package dev.cqrs.event;

import dev.cqrs.event.Catalog.Revision;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The ways from every revision that can be read to the current ones, checked as a whole.
 *
 * <p><b>Threads:</b> immutable.
 */
final class Upcasts {

    /** How many missing revisions in a row are told one by one. */
    private static final int FEW = 10;

    private final Map<Revision, Upcaster> byFrom;
    private final Map<Revision, Set<Class<?>>> becomes;

    private Upcasts(Map<Revision, Upcaster> byFrom, Map<Revision, Set<Class<?>>> becomes) {
        this.byFrom = byFrom;
        this.becomes = becomes;
    }

    /**
     * Joins the upcasters.
     *
     * @param current the revisions that have a class
     * @param upcasters in the order in which they were given
     * @param faults takes what is wrong with them
     * @return to be used if there are no faults
     */
    static Upcasts join(Map<Revision, Class<?>> current, List<Upcaster> upcasters, List<String> faults) {
        var byFrom = new LinkedHashMap<Revision, Upcaster>();
        for (var upcaster : upcasters) {
            var earlier = byFrom.putIfAbsent(upcaster.from(), upcaster);
            if (earlier != null) {
                faults.add("There are two upcasters for " + upcaster.from() + ": " + earlier + " and " + upcaster
                        + ". Keep one.");
            }
        }
        var newest = new TreeMap<String, Integer>();
        current.keySet().forEach(revision -> newest.put(revision.name(), revision.number()));
        byFrom.forEach((from, upcaster) -> {
            var now = newest.get(from.name());
            if (now != null && now <= from.number()) {
                faults.add(upcaster + " leads away from " + from + ", but the current revision is " + now
                        + "; expected an earlier one. Raise the revision in event(\"" + from.name()
                        + "\", revision, class), or remove the upcaster.");
            }
        });
        // Of a name that has no class any more, the newest revision is the one that some upcaster leads away from.
        var last = new TreeMap<>(newest);
        byFrom.keySet().forEach(from -> {
            if (!newest.containsKey(from.name())) {
                last.merge(from.name(), from.number(), Math::max);
            }
        });
        last.forEach((name, number) -> {
            var there = new TreeSet<Integer>();
            there.add(number);
            byFrom.keySet().stream()
                    .filter(from -> from.name().equals(name) && from.number() < number)
                    .forEach(from -> there.add(from.number()));
            int first = 1;
            for (int next : there) {
                addMissing(name, first, next - 1, faults);
                first = next + 1;
            }
        });
        byFrom.values()
                .forEach(upcaster -> upcaster.targets().stream()
                        .filter(target -> !current.containsKey(target) && !byFrom.containsKey(target))
                        .forEach(target -> faults.add(upcaster + " leads to " + target
                                + ", for which there is neither a class nor an upcaster"
                                + (newest.containsKey(target.name())
                                        ? ". The current revision of that name is " + newest.get(target.name()) + "."
                                        : ". Register it with event(\"" + target.name() + "\", " + target.number()
                                                + ", class)."))));
        byFrom.values().stream()
                .filter(Upcaster::isAtTheEnd)
                .forEach(
                        upcaster -> faults.add(upcaster + " leads to the next revision, but there is no revision behind"
                                + " it; expected to(...), into(...) or drop()."));
        var becomes = new HashMap<Revision, Set<Class<?>>>();
        current.forEach((revision, type) -> becomes.put(revision, Set.of(type)));
        var sorted = new LinkedHashMap<Revision, Set<Class<?>>>();
        // the newest first, so that a thousand revisions are not a thousand calls within each other
        for (var from : byFrom.keySet().stream()
                .sorted(Comparator.comparing(Revision::number).reversed())
                .toList()) {
            walk(from, byFrom, becomes, new LinkedHashSet<>(), faults);
        }
        becomes.keySet().stream()
                .sorted(Comparator.comparing(Revision::name).thenComparing(Revision::number))
                .forEach(revision -> sorted.put(revision, Objects.requireNonNull(becomes.get(revision))));
        return new Upcasts(byFrom, Collections.unmodifiableMap(sorted));
    }

    /** One by one if they are few; a slip of the pen makes millions. */
    private static void addMissing(String name, int first, int last, List<String> faults) {
        if (last - first >= FEW) {
            faults.add("Nothing says what becomes of " + new Revision(name, first) + " to revision " + last
                    + ", which may be in a log. Number revisions from 1, and by one for each change; add"
                    + " upcast(Upcaster.from(\"" + name + "\", revision)...) for each.");
            return;
        }
        for (int missing = first; missing <= last; missing++) {
            faults.add("Nothing says what becomes of " + new Revision(name, missing)
                    + ", which may be in a log. Add upcast(Upcaster.from(\"" + name + "\", " + missing
                    + ")...); if it never was in any, say drop().");
        }
    }

    /** Finds what {@code from} becomes in the end, and the circles in which it never does. */
    private static Set<Class<?>> walk(
            Revision from,
            Map<Revision, Upcaster> byFrom,
            Map<Revision, Set<Class<?>>> becomes,
            Set<Revision> path,
            List<String> faults) {
        var known = becomes.get(from);
        if (known != null) {
            return known;
        }
        if (!path.add(from)) {
            var circle = new ArrayList<>(path);
            faults.add("The upcasters lead in a circle: "
                    + String.join(
                            ", then ",
                            circle.subList(circle.indexOf(from), circle.size()).stream()
                                    .map(Revision::toString)
                                    .toList())
                    + ", then the first again. Have one of them lead to a revision that has a class.");
            return Set.of();
        }
        var types = new LinkedHashSet<Class<?>>();
        var upcaster = byFrom.get(from);
        if (upcaster != null) {
            upcaster.targets().forEach(target -> types.addAll(walk(target, byFrom, becomes, path, faults)));
        }
        path.remove(from);
        becomes.put(from, Collections.unmodifiableSet(types));
        return types;
    }

    @Nullable
    Upcaster from(Revision revision) {
        return byFrom.isEmpty() ? null : byFrom.get(revision);
    }

    /** Gives what each revision that can be read may become, sorted. */
    Map<Revision, Set<Class<?>>> becomes() {
        return becomes;
    }
}
