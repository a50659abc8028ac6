package dev.cqrs.saga;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The definitions that an engine has, by name and version.
 *
 * <p><b>Threads:</b> immutable.
 */
final class Scripts {

    private final Map<String, TreeMap<Integer, Script<?>>> byName = new HashMap<>();
    private final List<Script<?>> all;

    /** Takes all of them; faults are for {@code build()}. */
    Scripts(List<Script<?>> all, List<String> faults) {
        this.all = List.copyOf(all);
        for (var script : all) {
            var before = byName.computeIfAbsent(script.name(), name -> new TreeMap<>())
                    .putIfAbsent(script.version(), script);
            if (before != null) {
                faults.add("\"" + script.name() + "\" is there twice in version " + script.version()
                        + ". Give a changed definition another version(...).");
            }
        }
    }

    List<Script<?>> all() {
        return all;
    }

    /** Gives the newest version of each name. */
    Map<String, Integer> versions() {
        var newest = new HashMap<String, Integer>();
        byName.forEach((name, versions) -> newest.put(name, versions.lastKey()));
        return newest;
    }

    /** Gives the newest version of each name, and each version by what it is named. */
    Map<String, Integer> allVersions() {
        var every = versions();
        all.forEach(script -> every.put(named(script.name(), script.version()), script.version()));
        return every;
    }

    /** Gives what a version is named: no saga has that character in its name. */
    static String named(String name, int version) {
        return name + "/" + version;
    }

    boolean has(String name) {
        return byName.containsKey(name);
    }

    /**
     * Gives the definition under which an instance goes on: that of its version, or the newest; {@code null} if its version is
     * newer than all, which is for others.
     */
    @Nullable
    Script<?> choose(String name, int version) {
        var versions = byName.get(name);
        if (versions == null || version > versions.lastKey()) {
            return null;
        }
        var exact = versions.get(version);
        return exact != null ? exact : versions.lastEntry().getValue();
    }

    /** Gives the newest definition of a name. */
    Script<?> newest(String name) {
        var versions = byName.get(name);
        if (versions == null) {
            throw new IllegalArgumentException(
                    "There is no saga or process manager \"" + name + "\" here; expected one of "
                            + new ArrayList<>(byName.keySet()) + ". Add it to the builder of the engine.");
        }
        return versions.lastEntry().getValue();
    }

    boolean isNewest(Script<?> script) {
        return newest(script.name()) == script;
    }
}
