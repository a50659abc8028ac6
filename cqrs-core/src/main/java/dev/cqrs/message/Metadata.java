package dev.cqrs.message;

import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;

/**
 * What travels with a message beside its own data: an id, what it belongs to, what caused it, and what the user adds.
 *
 * <p>Metadata is handed on explicitly, from dispatch to handler to append; nothing hides in a thread. {@link #none()}
 * costs nothing. Keys and values are strings, so that every store can keep them.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class Metadata {

    /** The key of the message's own id. */
    public static final String ID = "id";

    /** The key of the id that all messages of one conversation share. */
    public static final String CORRELATION = "correlation";

    /** The key of the id of the message that directly caused this one. */
    public static final String CAUSATION = "causation";

    /**
     * Says, with any value, that a command may have been dispatched before under its id, by somebody who may still be at it. A
     * handler that carries out each id once then notes it in the log if it rejects the command, so that it cannot take effect
     * elsewhere after that ({@link dev.cqrs.decider.DecisionHandler#idempotent()}). Handed on to what a handler sends in turn,
     * it says the same of that.
     */
    public static final String REPEATED = "repeated";

    private static final Metadata NONE = new Metadata(Map.of());

    private final Map<String, String> entries;

    private Metadata(Map<String, String> entries) {
        this.entries = entries;
    }

    /**
     * Gives the metadata without entries.
     *
     * @return always the same instance
     */
    public static Metadata none() {
        return NONE;
    }

    /**
     * Gives metadata with the given entries.
     *
     * @param entries keys and values, copied; neither {@code null}, no key empty
     * @return never {@code null}
     * @throws NullPointerException if the map, a key or a value is {@code null}
     * @throws IllegalArgumentException if a key is empty
     */
    public static Metadata of(Map<String, String> entries) {
        if (entries.isEmpty()) {
            return NONE;
        }
        Map<String, String> copy;
        try {
            copy = Map.copyOf(entries);
        } catch (NullPointerException oneIsNull) {
            entries.forEach(Metadata::checkNull); // says which
            throw oneIsNull;
        }
        if (copy.containsKey("")) {
            checkKey("");
        }
        return new Metadata(copy);
    }

    /**
     * Gives metadata with an id and nothing else.
     *
     * @param id the message's id, unique as the user's own scheme defines it
     * @return never {@code null}
     */
    public static Metadata withId(String id) {
        return none().with(ID, id);
    }

    /**
     * Gives a copy of this metadata with one more entry, or with the entry replaced.
     *
     * @param key not empty
     * @param value any string
     * @return never {@code null}; this instance is unchanged
     * @throws IllegalArgumentException if the key is empty
     */
    public Metadata with(String key, String value) {
        checkNull(key, value);
        checkKey(key);
        if (entries.isEmpty()) {
            return new Metadata(Map.of(key, value));
        }
        var more = new java.util.HashMap<>(entries);
        more.put(key, value);
        return new Metadata(Map.copyOf(more));
    }

    /**
     * Gives a copy of this metadata for a message that {@code cause} brought about: the correlation is the cause's (or
     * the cause's id where it has none), the causation is the cause's id.
     *
     * @param cause the metadata of the message that led to this one
     * @return never {@code null}; with neither an id nor a correlation in {@code cause}, equal to this instance
     */
    public Metadata causedBy(Metadata cause) {
        var result = this;
        var correlation = cause.correlation().or(cause::id);
        if (correlation.isPresent()) {
            result = result.with(CORRELATION, correlation.get());
        }
        var causation = cause.id();
        return causation.isPresent() ? result.with(CAUSATION, causation.get()) : result;
    }

    /**
     * Gives the value of {@code key}.
     *
     * @param key any string
     * @return empty if there is no such entry
     */
    public Optional<String> get(String key) {
        return Optional.ofNullable(entries.get(Objects.requireNonNull(key, "key")));
    }

    /**
     * Gives the message's own id.
     *
     * @return empty if none was given
     */
    public Optional<String> id() {
        return get(ID);
    }

    /**
     * Gives the id that all messages of one conversation share.
     *
     * @return empty if none was given
     */
    public Optional<String> correlation() {
        return get(CORRELATION);
    }

    /**
     * Gives the id of the message that directly caused this one.
     *
     * @return empty if none was given
     */
    public Optional<String> causation() {
        return get(CAUSATION);
    }

    /**
     * Gives all entries, the well-known ones included.
     *
     * @return an unmodifiable map, in no particular order
     */
    public Map<String, String> entries() {
        return entries;
    }

    @Override
    public boolean equals(Object other) {
        return this == other || (other instanceof Metadata that && entries.equals(that.entries));
    }

    @Override
    public int hashCode() {
        return entries.hashCode();
    }

    @Override
    public String toString() {
        return new TreeMap<>(entries).toString();
    }

    private static void checkNull(String key, String value) {
        Objects.requireNonNull(key, "metadata key");
        Objects.requireNonNull(value, () -> "value of metadata key " + key);
    }

    private static void checkKey(String key) {
        if (key.isEmpty()) {
            throw new IllegalArgumentException("A metadata key is empty; expected at least one character.");
        }
    }
}
