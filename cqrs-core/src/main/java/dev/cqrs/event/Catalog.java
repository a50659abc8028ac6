package dev.cqrs.event;

import dev.cqrs.event.EventCodec.Stored;
import dev.cqrs.event.EventCodec.UnreadableEventException;
import dev.cqrs.message.WiringException;
import java.lang.reflect.Modifier;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The events that a store may hold: a stable name and a revision for each class, and the tags of an event as a function
 * of the event.
 *
 * <p>Name and revision are what is stored; classes, packages and methods can be renamed without them. Event classes
 * import nothing of this library. When the fields of an event change, its revision is raised by one, and an
 * {@link Upcaster} says what the revision before becomes, so that a class for it need not be kept: the log is never
 * changed, old events are read as new ones.
 *
 * <p><b>Threads:</b> immutable. The functions for tags are called by many threads at once.
 */
public final class Catalog {

    private final Map<Class<?>, Entry> byClass;
    private final Map<String, Entry> byName;
    private final Upcasts upcasts;
    private final Unknown unknown;

    /**
     * The event that tells that a command was carried out, appended together with the command's own events.
     *
     * <p>Its tag is that of {@link #tag}, its name {@value #NAME}.
     *
     * @param id the command's id, or that of the batch it belongs to
     * @param index its place in the batch, from 0
     * @param of how many commands the batch has; 1 for a command on its own
     * @param digest the SHA-256 of the command's text, in hexadecimal digits
     */
    public record CommandId(String id, int index, int of, String digest) {

        /** The stable name of these events. */
        public static final String NAME = "cqrs.command-id";

        /**
         * Checks for nulls and bounds.
         *
         * @param id the command's id, or that of the batch it belongs to
         * @param index its place in the batch, from 0
         * @param of how many commands the batch has; 1 for a command on its own
         * @param digest the SHA-256 of the command's text, in hexadecimal digits
         * @throws NullPointerException if a part is {@code null}
         * @throws IndexOutOfBoundsException if {@code index} is not one of {@code of}
         */
        public CommandId {
            Objects.requireNonNull(id, "id");
            Objects.checkIndex(index, of);
            Objects.requireNonNull(digest, "digest");
        }

        /**
         * Gives the tag of the events of an id.
         *
         * @param id a command's id
         * @return never {@code null}
         * @throws IllegalArgumentException if the id cannot be a tag's value
         */
        public static Tag tag(String id) {
            return Tag.of(NAME, id);
        }
    }

    /**
     * The event that says that a command with an id was rejected, and takes no effect under that id as long as ids are
     * remembered: appended by handlers that carry out each id once, for a command that may be under way elsewhere too
     * ({@link dev.cqrs.message.Metadata#REPEATED}). Found by its {@linkplain CommandId#tag tag}. Known to catalogs that have
     * {@linkplain Builder#commandIds() command ids}.
     *
     * <p><b>Threads:</b> immutable.
     *
     * @param id the command's id, or that of the batch it belongs to
     * @param index the place in the batch of the one that was rejected, from 0
     * @param of how many commands the batch has; 1 for a command on its own
     * @param digest the SHA-256 of the command's text, in hexadecimal digits; for a batch that of those of all its commands
     * @param reason why it was rejected, in the words of the decision
     */
    public record CommandRefused(String id, int index, int of, String digest, String reason) {

        /** The stable name of these events. */
        public static final String NAME = "cqrs.command-refused";

        /**
         * Checks for nulls and bounds.
         *
         * @param id the command's id, or that of the batch it belongs to
         * @param index its place in the batch, from 0
         * @param of how many commands the batch has; 1 for a command on its own
         * @param digest the SHA-256 of the command's text, in hexadecimal digits
         * @param reason why it was rejected
         * @throws NullPointerException if a part is {@code null}
         * @throws IndexOutOfBoundsException if {@code index} is not one of {@code of}
         */
        public CommandRefused {
            Objects.requireNonNull(id, "id");
            Objects.checkIndex(index, of);
            Objects.requireNonNull(digest, "digest");
            Objects.requireNonNull(reason, "reason");
        }
    }

    private record Entry(Class<?> type, Revision revision, Function<Object, Set<Tag>> tagging) {}

    private Catalog(Map<Class<?>, Entry> byClass, Upcasts upcasts, Unknown unknown) {
        this.byClass = byClass;
        this.byName = byClass.values().stream()
                .collect(Collectors.toUnmodifiableMap(entry -> entry.revision().name(), Function.identity()));
        this.upcasts = upcasts;
        this.unknown = unknown;
    }

    /**
     * What is stored in place of a class: a name, and which revision of it.
     *
     * <p><b>Threads:</b> immutable.
     *
     * @param name the stable name, not blank
     * @param number 1 for the first, one more for each change of the fields
     */
    public record Revision(String name, int number) {

        /**
         * Checks both parts.
         *
         * @param name the stable name, not blank
         * @param number 1 for the first, one more for each change of the fields
         * @throws IllegalArgumentException if the name is blank, or the number below 1
         */
        public Revision {
            check(name, number);
        }

        static void check(String name, int number) {
            if (Objects.requireNonNull(name, "name").isBlank()) {
                throw new IllegalArgumentException(
                        "The name of an event is blank; expected a stable name such as \"deposited\".");
            }
            if (number < 1) {
                throw new IllegalArgumentException("The revision of the event \"" + name + "\" is " + number
                        + "; expected 1 for the first, and one more for each change.");
            }
        }

        @Override
        public String toString() {
            return "\"" + name + "\" revision " + number;
        }
    }

    /** What becomes of a stored event that the catalog does not know, by its name or since its revision is newer. */
    public enum Unknown {
        /** Reading it throws {@link UnknownEventException}. */
        FAIL,
        /**
         * It is left out. Suits readers that need some events only; not one that decides, which would take the event for
         * one that never happened.
         */
        SKIP
    }

    /**
     * Begins a catalog.
     *
     * @return a builder without events
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Gives the stable name of {@code type}.
     *
     * @param type the exact class of an event
     * @return never {@code null}
     * @throws UnknownEventException if the catalog does not know the class
     */
    public String nameOf(Class<?> type) {
        return entry(type).revision().name();
    }

    /**
     * Gives the current revision of {@code type}.
     *
     * @param type the exact class of an event
     * @return 1 or more
     * @throws UnknownEventException if the catalog does not know the class
     */
    public int revisionOf(Class<?> type) {
        return entry(type).revision().number();
    }

    /**
     * Gives the class of the events stored under {@code name}.
     *
     * @param name a stable name
     * @return never {@code null}
     * @throws UnknownEventException if the catalog does not know the name
     */
    public Class<?> typeOf(String name) {
        var entry = byName.get(Objects.requireNonNull(name, "name"));
        if (entry == null) {
            throw new UnknownEventException(name, known());
        }
        return entry.type();
    }

    /**
     * Gives the tags of {@code event}, of all functions that were registered for its class.
     *
     * @param event an object of a class the catalog knows
     * @return an unmodifiable set, possibly empty
     * @throws UnknownEventException if the catalog does not know the class
     * @throws NullPointerException if a function gives {@code null}, or a tag that is
     */
    public Set<Tag> tagsOf(Object event) {
        return tagging(Objects.requireNonNull(event, "event").getClass()).apply(event);
    }

    /**
     * Gives the function by which events of {@code type} get their tags, for stores that look it up once.
     *
     * @param type the exact class of an event
     * @return a function that does what {@link #tagsOf} does, for events of that class
     * @throws UnknownEventException if the catalog does not know the class
     */
    public Function<Object, Set<Tag>> tagging(Class<?> type) {
        return entry(type).tagging();
    }

    /**
     * Gives the classes of events that {@code type} stands for: itself, if it is one, and those below it.
     *
     * @param type an event class, or an interface or class above some
     * @return an unmodifiable set, not empty
     * @throws UnknownEventException if the catalog knows neither the class nor one below it
     */
    public Set<Class<?>> typesBelow(Class<?> type) {
        Objects.requireNonNull(type, "type");
        var below = byClass.keySet().stream().filter(type::isAssignableFrom).collect(Collectors.toUnmodifiableSet());
        if (below.isEmpty()) {
            throw unknown(type);
        }
        return below;
    }

    /**
     * Gives all classes of events in the catalog.
     *
     * @return an unmodifiable collection in no particular order
     */
    public Collection<Class<?>> types() {
        return Collections.unmodifiableSet(byClass.keySet());
    }

    /**
     * Gives every name and revision that this catalog can read: the current ones, and all that have an upcaster.
     *
     * <p>A test that reads a kept example of each shows that old logs can still be read.
     *
     * @return an unmodifiable set, sorted by name and number
     */
    public Set<Revision> revisions() {
        return upcasts.becomes().keySet();
    }

    /**
     * Gives the names and revisions whose events may be read as an event of {@code type}, or below it.
     *
     * <p>The current revision of a class is always read as that class. An earlier one that is split <em>may</em> give an
     * event of it. A store need not know: it looks events up by {@linkplain #storedNames name}, whatever their revision,
     * and asks the query again about what it has decoded.
     *
     * @param type an event class, or an interface or class above some
     * @return an unmodifiable set, sorted by name and number, not empty
     * @throws UnknownEventException if the catalog knows neither the class nor one below it
     */
    public Set<Revision> revisions(Class<?> type) {
        var types = typesBelow(type);
        var found = new LinkedHashSet<Revision>();
        upcasts.becomes().forEach((revision, becomes) -> {
            if (!Collections.disjoint(becomes, types)) {
                found.add(revision);
            }
        });
        return Collections.unmodifiableSet(found);
    }

    /**
     * Gives the names under which an event may be stored that is read as one of {@code type}, or below it, so that a
     * query for a class finds the events of earlier names as well.
     *
     * @param type an event class, or an interface or class above some
     * @return an unmodifiable set, sorted, not empty: the names of {@link #revisions(Class)}
     * @throws UnknownEventException if the catalog knows neither the class nor one below it
     */
    public Set<String> storedNames(Class<?> type) {
        var names = new LinkedHashSet<String>();
        revisions(type).forEach(revision -> names.add(revision.name()));
        return Collections.unmodifiableSet(names);
    }

    /**
     * Gives {@code event} the form in which a store keeps it: name, current revision, and the payload of the codec.
     *
     * @param event an object of a class the catalog knows
     * @param codec makes the payload; what it throws reaches the caller unchanged
     * @return never {@code null}
     * @throws UnknownEventException if the catalog does not know the class
     */
    public Stored encode(Object event, EventCodec codec) {
        Objects.requireNonNull(codec, "codec");
        var revision = entry(Objects.requireNonNull(event, "event").getClass()).revision();
        var payload = codec.encode(event);
        if (payload == null) {
            throw new NullPointerException("The codec " + codec.getClass().getName() + " encoded an event " + revision
                    + " as null; expected bytes.");
        }
        return new Stored(revision.name(), revision.number(), payload);
    }

    /**
     * Gives what a stored event is today: itself, or what the upcasters make of it.
     *
     * <p>An event of the current revision goes straight from its bytes to its class. One of an earlier revision is read as
     * a document, taken from revision to revision, and then given to the codec as the current class.
     *
     * <p>If there are several, they stand at the one position of the stored event. A read gives all of them or none.
     *
     * @param stored what a store has kept
     * @param codec reads the payload
     * @return an unmodifiable list: mostly one event, several if an upcaster splits it, none if one drops it
     * @throws UnknownEventException if the catalog does not know the name, or not yet the revision, and
     *     {@link Builder#unknown} has not said to skip it
     * @throws UnreadableEventException if the codec or an upcaster fails, also with an error of its own such as a class that
     *     is not there, but not where the virtual machine has no memory
     */
    public List<Object> decode(Stored stored, EventCodec codec) {
        Objects.requireNonNull(codec, "codec");
        var entry = byName.get(stored.name());
        if (entry != null && entry.revision().number() == stored.revision()) {
            return List.of(event(stored, entry, stored.payloadItself(), codec));
        }
        var revision = new Revision(stored.name(), stored.revision());
        var upcaster = upcasts.from(revision);
        if (upcaster == null) {
            if (unknown == Unknown.SKIP) {
                return List.of();
            }
            throw UnknownEventException.stored(revision, revisions());
        }
        if (upcaster.drops()) {
            return List.of(); // whatever its bytes are
        }
        @SuppressWarnings("unchecked") // the contract of codecs
        var fields = (Map<String, Object>) decoded(stored, stored.payloadItself(), Map.class, codec);
        var events = new ArrayList<>(1);
        var ahead = new ArrayDeque<Upcaster.Step>(); // no calls within calls: there may be a thousand revisions
        ahead.push(new Upcaster.Step(revision, new LinkedHashMap<>(fields)));
        while (!ahead.isEmpty()) {
            var step = ahead.pop();
            var further = upcasts.from(step.to());
            if (further == null) {
                var current = Objects.requireNonNull(byName.get(step.to().name()), "a target that build() has checked");
                events.add(event(stored, current, encoded(stored, step.to(), step.fields(), codec), codec));
                continue;
            }
            var next = further.apply(stored, step.fields());
            for (int i = next.size() - 1; i >= 0; i--) {
                ahead.push(next.get(i));
            }
        }
        return List.copyOf(events);
    }

    /**
     * As {@link #decode(Stored, EventCodec)}, for a store that knows where the event stands: what is thrown says so.
     *
     * @param stored what a store has kept
     * @param position where, for the message
     * @param codec reads the payload
     * @return an unmodifiable list: mostly one event, several if an upcaster splits it, none if one drops it
     * @throws UnknownEventException if the catalog does not know the name, or not yet the revision, and
     *     {@link Builder#unknown} has not said to skip it
     * @throws UnreadableEventException if the codec or an upcaster fails, also with an error of its own such as a class that
     *     is not there, but not where the virtual machine has no memory
     */
    public List<Object> decode(Stored stored, Position position, EventCodec codec) {
        try {
            return decode(stored, codec);
        } catch (UnreadableEventException unreadable) {
            throw unreadable.at(position);
        } catch (UnknownEventException notKnown) {
            throw notKnown.at(position);
        }
    }

    private static byte[] encoded(Stored stored, Revision to, Map<String, Object> fields, EventCodec codec) {
        byte[] payload;
        try {
            payload = codec.encode(fields);
        } catch (Throwable thrown) {
            UnreadableEventException.passOn(thrown);
            throw new UnreadableEventException(
                    stored,
                    "the codec cannot encode the fields " + fields.keySet() + " that the upcasters made of it for " + to
                            + "; expected strings, booleans, numbers, lists, maps. Correct the upcasters; see the"
                            + " cause.",
                    thrown);
        }
        if (payload == null) {
            throw new UnreadableEventException(stored, "the codec encoded its fields as null; expected bytes.");
        }
        return payload;
    }

    private static Object event(Stored stored, Entry entry, byte[] payload, EventCodec codec) {
        return decoded(stored, payload, entry.type(), codec);
    }

    private static Object decoded(Stored stored, byte[] payload, Class<?> type, EventCodec codec) {
        Object decoded;
        try {
            decoded = codec.decode(payload, type);
        } catch (Throwable thrown) {
            UnreadableEventException.passOn(thrown);
            throw new UnreadableEventException(
                    stored,
                    "the codec cannot decode its " + payload.length + " bytes as " + type.getName()
                            + ". If the class has changed, raise its revision and add an upcaster; if not, the bytes"
                            + " are damaged. See the cause.",
                    thrown);
        }
        if (!type.isInstance(decoded)) {
            throw new UnreadableEventException(
                    stored,
                    "the codec " + codec.getClass().getName() + " decoded it as "
                            + (decoded == null ? "null" : decoded.getClass().getName()) + "; expected "
                            + type.getName() + ".");
        }
        return decoded;
    }

    private Entry entry(Class<?> type) {
        var entry = byClass.get(Objects.requireNonNull(type, "type"));
        if (entry == null) {
            throw unknown(type);
        }
        return entry;
    }

    private UnknownEventException unknown(Class<?> type) {
        return byClass.keySet().stream()
                .filter(known -> known.getName().equals(type.getName()))
                .findFirst()
                .map(known -> UnknownEventException.ofAnotherLoader(type, known))
                .orElseGet(() -> new UnknownEventException(type.getName(), known()));
    }

    private String known() {
        return byName.isEmpty() ? "none" : new TreeSet<>(byName.keySet()).toString();
    }

    private static Function<Object, Set<Tag>> union(Class<?> type, List<Function<Object, Set<Tag>>> functions) {
        return switch (functions.size()) {
            case 0 -> event -> Set.of();
            case 1 -> {
                var only = functions.get(0);
                yield event -> copy(type, only.apply(event));
            }
            default ->
                event -> {
                    var all = new HashSet<Tag>();
                    functions.forEach(function -> all.addAll(copy(type, function.apply(event))));
                    return Set.copyOf(all);
                };
        };
    }

    private static Set<Tag> copy(Class<?> type, Set<Tag> tags) {
        if (tags == null) {
            throw new NullPointerException("The tags function of " + type.getName()
                    + " returned null; expected a set. Return Set.of() for an event without tags.");
        }
        return Set.copyOf(tags);
    }

    /**
     * Collects the events of a {@link Catalog}.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final Map<Class<?>, Registration> names = new LinkedHashMap<>();
        private final Map<Class<?>, List<Function<Object, Set<Tag>>>> tags = new LinkedHashMap<>();
        private final List<Upcaster> upcasters = new ArrayList<>();
        private final List<String> faults = new ArrayList<>();
        private Unknown unknown = Unknown.FAIL;

        /** Not yet checked. */
        private record Registration(String name, int revision) {}

        private Builder() {}

        /**
         * Adds an event, at revision 1, without tags of its own.
         *
         * @param name its stable name, not blank
         * @param type its concrete class
         * @return this builder
         */
        public Builder event(String name, Class<?> type) {
            return event(name, 1, type);
        }

        /**
         * Adds an event at a later revision, without tags of its own.
         *
         * @param name its stable name, not blank
         * @param revision its current revision; each below it needs an {@linkplain #upcast upcaster}
         * @param type its concrete class
         * @return this builder
         */
        public Builder event(String name, int revision, Class<?> type) {
            Objects.requireNonNull(name, "name");
            Objects.requireNonNull(type, "type");
            if (name.isBlank()) {
                faults.add(
                        "The name of " + type.getName() + " is blank; expected a stable name such as \"deposited\".");
            }
            if (type.isEnum() && !Modifier.isFinal(type.getModifiers())) {
                faults.add(
                        type.getName() + " is an enum of which a constant has a body, and so a class of its own, which"
                                + " would not be known. Use a constant's field, or a record.");
            } else if (Modifier.isAbstract(type.getModifiers())) {
                faults.add(type.getName() + " is not a concrete class: no event can have it. Register the classes below"
                        + " it, and their common tags with tags(...).");
            }
            if (revision < 1) {
                faults.add("The revision of " + type.getName() + " is " + revision
                        + "; expected 1 for the first, and one more for each change.");
            }
            names.forEach((other, taken) -> {
                if (taken.name().equals(name) && other != type) {
                    faults.add("The name \"" + name + "\" is given to " + other.getName() + " and to " + type.getName()
                            + ". Give each event a name of its own.");
                }
            });
            var earlier = names.putIfAbsent(type, new Registration(name, revision));
            if (earlier != null) {
                faults.add(type.getName() + " is registered twice, as \"" + earlier.name() + "\" revision "
                        + earlier.revision() + " and as \"" + name + "\" revision " + revision + ". Keep one.");
            }
            return this;
        }

        /**
         * Adds an event at a later revision, with its tags.
         *
         * @param <E> the class of the event
         * @param name its stable name, not blank
         * @param revision its current revision; each below it needs an {@linkplain #upcast upcaster}
         * @param type its concrete class
         * @param tags gives the tags of an event when it is appended; pure, never {@code null}, never gives {@code null}
         * @return this builder
         */
        public <E> Builder event(String name, int revision, Class<E> type, Function<? super E, Set<Tag>> tags) {
            Objects.requireNonNull(tags, "tags");
            return event(name, revision, type).tags(type, tags);
        }

        /**
         * Adds an event, at revision 1, with its tags.
         *
         * @param <E> the class of the event
         * @param name its stable name, not blank
         * @param type its concrete class
         * @param tags gives the tags of an event; pure, never {@code null}, never gives {@code null}
         * @return this builder
         */
        public <E> Builder event(String name, Class<E> type, Function<? super E, Set<Tag>> tags) {
            Objects.requireNonNull(tags, "tags");
            return event(name, type).tags(type, tags);
        }

        /**
         * Adds tags to all events of a family: those whose class is {@code root} or below it.
         *
         * @param <E> the common type of the events
         * @param root a class or interface; events registered before and after this call are both meant
         * @param tags gives the tags of an event; pure, never {@code null}, never gives {@code null}
         * @return this builder
         */
        public <E> Builder tags(Class<E> root, Function<? super E, Set<Tag>> tags) {
            Objects.requireNonNull(tags, "tags");
            @SuppressWarnings("unchecked") // a function is asked only about events of its own family
            var function = (Function<Object, Set<Tag>>) tags;
            this.tags
                    .computeIfAbsent(Objects.requireNonNull(root, "root"), type -> new ArrayList<>())
                    .add(function);
            return this;
        }

        /**
         * Adds the events by which command ids are remembered.
         *
         * @return this builder
         */
        public Builder commandIds() {
            if (!names.containsKey(CommandId.class)) {
                event(CommandId.NAME, CommandId.class, mark -> Set.of(CommandId.tag(mark.id())));
            }
            if (!names.containsKey(CommandRefused.class)) {
                event(CommandRefused.NAME, CommandRefused.class, mark -> Set.of(CommandId.tag(mark.id())));
            }
            return this;
        }

        /**
         * Says what an earlier revision of a stored event becomes when it is read.
         *
         * @param upcaster leads from that revision to the next, or elsewhere
         * @return this builder
         */
        public Builder upcast(Upcaster upcaster) {
            upcasters.add(Objects.requireNonNull(upcaster, "upcaster"));
            return this;
        }

        /**
         * Says what becomes of stored events that the catalog does not know: of another name, or of a newer revision.
         *
         * @param choice {@link Unknown#FAIL} unless it is said
         * @return this builder
         */
        public Builder unknown(Unknown choice) {
            unknown = Objects.requireNonNull(choice, "choice");
            return this;
        }

        /**
         * Makes the catalog.
         *
         * @return never {@code null}
         * @throws WiringException listing every fault: names or classes given twice, blank names, revisions below 1,
         *     classes that no event can have, tags for a family without events; an earlier revision without an upcaster,
         *     one with two, an upcaster from a revision that is current or newer, to one that has neither class nor
         *     upcaster, or in a circle
         */
        public Catalog build() {
            var all = new ArrayList<>(faults);
            tags.keySet().stream()
                    .filter(root -> names.keySet().stream().noneMatch(root::isAssignableFrom))
                    .forEach(root -> all.add("tags(" + root.getName()
                            + ", ...) meets no event: no registered class is " + root.getSimpleName()
                            + " or below it. Register one with event(...)."));
            var current = new HashMap<Revision, Class<?>>();
            names.forEach((type, registered) -> {
                if (!registered.name().isBlank() && registered.revision() > 0) {
                    current.put(new Revision(registered.name(), registered.revision()), type);
                }
            });
            var upcasts = Upcasts.join(current, upcasters, all);
            if (!all.isEmpty()) {
                throw new WiringException("Catalog", all);
            }
            var entries = new HashMap<Class<?>, Entry>();
            names.forEach((type, registered) -> entries.put(
                    type,
                    new Entry(
                            type,
                            new Revision(registered.name(), registered.revision()),
                            union(
                                    type,
                                    tags.entrySet().stream()
                                            .filter(e -> e.getKey().isAssignableFrom(type))
                                            .flatMap(e -> e.getValue().stream())
                                            .toList()))));
            return new Catalog(entries, upcasts, unknown);
        }
    }
}
