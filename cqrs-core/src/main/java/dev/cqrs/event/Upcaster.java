package dev.cqrs.event;

import dev.cqrs.event.Catalog.Revision;
import dev.cqrs.event.EventCodec.Stored;
import dev.cqrs.event.EventCodec.UnreadableEventException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * What an earlier revision of a stored event becomes when it is read: the fields of the next revision, an event of
 * another name, several events, or none.
 *
 * <pre>{@code
 * Catalog.builder()
 *     .event("deposited", 3, Deposited.class)
 *     .upcast(Upcaster.from("deposited", 1).rename("amount", "cents"))            // to revision 2
 *     .upcast(Upcaster.from("deposited", 2).withDefault("currency", "EUR"))       // to revision 3
 *     .upcast(Upcaster.from("paid-in", 1).to("deposited", 2))                     // two types become one
 *     .upcast(Upcaster.from("transferred", 1)                                     // one event becomes two
 *         .into("withdrawn", 1, e -> List.of(Map.of("account", e.get("from"), "cents", e.get("cents"))))
 *         .into("deposited", 2, e -> List.of(Map.of("account", e.get("to"), "cents", e.get("cents")))))
 *     .upcast(Upcaster.from("page-viewed", 1).drop())
 * }</pre>
 *
 * <p>Each upcaster leads one step ahead; the catalog joins them up to the revision that it has a class for. The log is
 * not changed. Operations on fields run in the order of the calls. They work on documents as {@link EventCodec} describes them.
 *
 * <p>Several stored events are never read as one. A read may begin between them, end between them, go backwards, or find
 * only one of them, since it asks for tags that the other does not have; it would see half an event. Where events must be
 * merged, write a new log: read the old one, append the merged events to the new.
 *
 * <p><b>Threads:</b> immutable. The functions are called by many threads at once; they are pure.
 */
public final class Upcaster {

    private final Revision from;
    private final List<Operation> operations;
    private final @Nullable Revision to;
    private final @Nullable List<Piece> pieces;
    private final @Nullable Revision next;

    /** A step on the fields, and how the caller wrote it. */
    private record Operation(String written, Change change) {}

    @FunctionalInterface
    private interface Change {
        Map<String, Object> apply(Map<String, Object> fields) throws Misfit;
    }

    /** One kind of event among those that the stored one becomes. */
    private record Piece(Revision to, Function<Map<String, Object>, List<Map<String, Object>>> function) {}

    /** The fields are not what an operation needs. */
    private static final class Misfit extends Exception {

        private static final long serialVersionUID = 1L;

        Misfit(String found) {
            super(found, null, false, false);
        }

        String found() {
            return Objects.requireNonNull(getMessage());
        }
    }

    private Upcaster(Revision from, List<Operation> operations, @Nullable Revision to, @Nullable List<Piece> pieces) {
        this.from = from;
        this.operations = operations;
        this.to = to;
        this.pieces = pieces;
        this.next = to != null || pieces != null || from.number() == Integer.MAX_VALUE
                ? to
                : new Revision(from.name(), from.number() + 1);
    }

    /**
     * Begins an upcaster, which leads to the next revision of the same name until {@link #to}, {@link #into} or
     * {@link #drop} says otherwise.
     *
     * @param name a stored name
     * @param revision a stored revision, below the current one
     * @return an upcaster that leaves the fields as they are
     * @throws IllegalArgumentException if the name is blank, or the revision below 1
     */
    public static Upcaster from(String name, int revision) {
        return new Upcaster(new Revision(name, revision), List.of(), null, null);
    }

    /**
     * Renames a field. An event that does not have it, or has a field of the new name as well, cannot be read.
     *
     * @param field its name so far
     * @param newName its name from now on
     * @return a new upcaster
     * @throws IllegalStateException if {@link #into} or {@link #drop} was called before
     */
    public Upcaster rename(String field, String newName) {
        Objects.requireNonNull(field, "field");
        Objects.requireNonNull(newName, "newName");
        return then("rename(\"" + field + "\", \"" + newName + "\")", fields -> {
            if (!fields.containsKey(field)) {
                throw new Misfit("there is no field \"" + field + "\", only " + fields.keySet());
            }
            var value = fields.remove(field);
            if (fields.containsKey(newName)) {
                throw new Misfit("there is a field \"" + newName + "\" already");
            }
            fields.put(newName, value);
            return fields;
        });
    }

    /**
     * Gives a field to events that do not have it. One that is there stays as it is, even if it is {@code null}.
     *
     * @param field its name
     * @param value a string, a boolean, an {@link Integer}, {@link Long}, {@link BigInteger} or {@link BigDecimal}, or a
     *     list or map of such; copied
     * @return a new upcaster
     * @throws IllegalArgumentException if {@code value} is something else
     * @throws IllegalStateException if {@link #into} or {@link #drop} was called before
     */
    public Upcaster withDefault(String field, Object value) {
        Objects.requireNonNull(field, "field");
        var copy = copy(field, Objects.requireNonNull(value, "value"));
        return then("withDefault(\"" + field + "\", ...)", fields -> {
            if (!fields.containsKey(field)) {
                fields.put(field, copy);
            }
            return fields;
        });
    }

    /**
     * Takes a field away from events that have it.
     *
     * @param field its name
     * @return a new upcaster
     * @throws IllegalStateException if {@link #into} or {@link #drop} was called before
     */
    public Upcaster remove(String field) {
        Objects.requireNonNull(field, "field");
        return then("remove(\"" + field + "\")", fields -> {
            fields.remove(field);
            return fields;
        });
    }

    /**
     * Computes fields, to split one, join several, or change a unit.
     *
     * @param function takes a map that it may change, but not the lists and maps in it; gives it, or another, never
     *     {@code null}. Where it throws, the event cannot be read
     * @return a new upcaster
     * @throws IllegalStateException if {@link #into} or {@link #drop} was called before
     */
    public Upcaster fields(UnaryOperator<Map<String, Object>> function) {
        Objects.requireNonNull(function, "function");
        return then("fields(...)", fields -> {
            var result = function.apply(fields);
            if (result == null) {
                throw new Misfit("the function returned null; expected a map");
            }
            return result == fields ? fields : new LinkedHashMap<>(result);
        });
    }

    /**
     * Leads to an event of another name, or to a later revision than the next.
     *
     * @param name the name that it becomes; several may become the same
     * @param revision the revision that it becomes: the current one of that name, or one that has an upcaster
     * @return a new upcaster
     * @throws IllegalArgumentException if the name is blank, or the revision below 1
     * @throws IllegalStateException if {@code to}, {@link #into} or {@link #drop} was called before
     */
    public Upcaster to(String name, int revision) {
        if (to != null || pieces != null) {
            throw new IllegalStateException(this + " has its targets already; expected one to(...), or into(...) for"
                    + " each kind of event, or drop().");
        }
        return new Upcaster(from, operations, new Revision(name, revision), null);
    }

    /**
     * Splits: leads to any number of events of one kind. Called again, it adds another kind, whose events come after.
     *
     * <p>All events that one stored event becomes stand at its position, with its time, tags and metadata.
     *
     * @param name the name that they have
     * @param revision the revision that they have: the current one of that name, or one that has an upcaster
     * @param function gives the fields of each event, possibly of none, from the fields after the operations so far, in a
     *     map that it may change, but not the lists and maps in it; never gives {@code null}. Where it throws, the
     *     event cannot be read
     * @return a new upcaster
     * @throws IllegalArgumentException if the name is blank, or the revision below 1
     * @throws IllegalStateException if {@link #to} or {@link #drop} was called before
     */
    public Upcaster into(String name, int revision, Function<Map<String, Object>, List<Map<String, Object>>> function) {
        Objects.requireNonNull(function, "function");
        if (to != null || (pieces != null && pieces.isEmpty())) {
            throw new IllegalStateException(this + " has its target already; expected into(...) for each kind of event,"
                    + " without to(...) or drop().");
        }
        var more = new ArrayList<>(pieces == null ? List.<Piece>of() : pieces);
        more.add(new Piece(new Revision(name, revision), function));
        return new Upcaster(from, operations, null, List.copyOf(more));
    }

    /**
     * Leaves the event out of every read.
     *
     * @return a new upcaster
     * @throws IllegalStateException if {@link #to} or {@link #into} was called before
     */
    public Upcaster drop() {
        if (to != null || pieces != null) {
            throw new IllegalStateException(
                    this + " has its target already; expected drop() without to(...) or" + " into(...).");
        }
        return new Upcaster(from, operations, null, List.of());
    }

    /** Tells where it leads from and to, and which operations it has, without values. */
    @Override
    public String toString() {
        var text = new StringBuilder("Upcaster.from(" + written(from) + ")");
        operations.forEach(operation -> text.append('.').append(operation.written()));
        if (to != null) {
            text.append(".to(").append(written(to)).append(')');
        } else if (pieces != null) {
            pieces.forEach(
                    piece -> text.append(".into(").append(written(piece.to())).append(", ...)"));
            text.append(pieces.isEmpty() ? ".drop()" : "");
        }
        return text.toString();
    }

    // ------------------------------------------------------------------------------------------- for the catalog

    Revision from() {
        return from;
    }

    boolean drops() {
        return pieces != null && pieces.isEmpty();
    }

    /** Gives what it may lead to, in order. */
    List<Revision> targets() {
        if (pieces == null) {
            return next == null ? List.of() : List.of(next);
        }
        return pieces.stream().map(Piece::to).toList();
    }

    /** Says whether it leads to the next revision where there is none. */
    boolean isAtTheEnd() {
        return pieces == null && next == null;
    }

    /** The fields of an event, and the revision that they are of. */
    record Step(Revision to, Map<String, Object> fields) {}

    /**
     * Takes the step.
     *
     * @param stored the event that is read, to be named in an error
     * @param document its fields at this revision; may be changed
     * @return each event it becomes, in order
     */
    List<Step> apply(Stored stored, Map<String, Object> document) {
        var fields = document;
        for (var operation : operations) {
            var given = fields;
            fields =
                    attempt(stored, operation::written, () -> operation.change().apply(given));
        }
        if (pieces == null) {
            return List.of(new Step(Objects.requireNonNull(next, "what build() has refused"), fields));
        }
        var steps = new ArrayList<Step>();
        for (var piece : pieces) {
            var copy = new LinkedHashMap<>(fields);
            for (var part : attempt(
                    stored,
                    () -> "into(" + written(piece.to()) + ", ...)",
                    () -> copies(piece.function().apply(copy)))) {
                steps.add(new Step(piece.to(), part));
            }
        }
        return steps;
    }

    @FunctionalInterface
    private interface Attempt<T> {
        T make() throws Misfit;
    }

    private <T> T attempt(Stored stored, Supplier<String> written, Attempt<T> attempt) {
        try {
            return attempt.make();
        } catch (Misfit misfit) {
            throw new UnreadableEventException(
                    stored,
                    at(written) + misfit.found() + ". Correct the upcaster; fields(...) takes any case by case.");
        } catch (Throwable thrown) {
            UnreadableEventException.passOn(thrown);
            throw new UnreadableEventException(
                    stored,
                    at(written) + "the function threw " + thrown.getClass().getName() + ". Correct it; see the cause.",
                    thrown);
        }
    }

    private String at(Supplier<String> written) {
        return "in " + this + ", at " + written.get() + ", ";
    }

    private static List<Map<String, Object>> copies(@Nullable List<Map<String, Object>> parts) throws Misfit {
        if (parts == null) {
            throw new Misfit("the function returned null; expected a list, empty for no event");
        }
        var copies = new ArrayList<Map<String, Object>>(parts.size());
        for (var part : parts) {
            if (part == null) {
                throw new Misfit("the function returned a list with null; expected maps");
            }
            copies.add(new LinkedHashMap<>(part));
        }
        return copies;
    }

    private Upcaster then(String written, Change change) {
        if (pieces != null) {
            throw new IllegalStateException(
                    this + "." + written + " comes too late; call it before into(...) and drop().");
        }
        var more = new ArrayList<>(operations);
        more.add(new Operation(written, change));
        return new Upcaster(from, List.copyOf(more), to, null);
    }

    private static String written(Revision revision) {
        return "\"" + revision.name() + "\", " + revision.number();
    }

    /** Copies a value that upcasters share among all events, so deeply that nobody can change it. */
    private static Object copy(String field, Object value) {
        if (value instanceof String
                || value instanceof Boolean
                || value instanceof Integer
                || value instanceof Long
                || value instanceof BigInteger
                || value instanceof BigDecimal) {
            return value;
        }
        if (value instanceof List<?> list) {
            var copy = new ArrayList<Object>();
            list.forEach(element -> copy.add(element == null ? null : copy(field, element)));
            return Collections.unmodifiableList(copy);
        }
        if (value instanceof Map<?, ?> map) {
            var copy = new LinkedHashMap<String, Object>();
            map.forEach((key, element) -> {
                if (!(key instanceof String name)) {
                    throw new IllegalArgumentException("The default of the field \"" + field
                            + "\" holds a map with a key that is no string; expected Map<String, Object>.");
                }
                copy.put(name, element == null ? null : copy(field, element));
            });
            return Collections.unmodifiableMap(copy);
        }
        throw new IllegalArgumentException("The default of the field \"" + field + "\" is, or holds, a "
                + value.getClass().getName() + "; expected String, Boolean, Integer, Long, BigInteger, BigDecimal, List"
                + " or Map. Write a decimal as new BigDecimal(\"0.1\"), an enum or a time as a string.");
    }
}
