package dev.cqrs.event;

import dev.cqrs.message.CqrsException;
import java.util.Arrays;
import java.util.Objects;

/**
 * The seam between events and bytes, for stores that keep bytes: it turns an object into a payload and back.
 *
 * <p>What a store keeps is {@link Stored}: the event's name and revision from the {@link Catalog}, and the payload that
 * a codec has made. The codec is told the class on reading, by the catalog, which has it from the stored name. So the
 * payload holds no class name, and a codec makes no object of a class that the bytes ask for.
 *
 * <p>A codec takes
 *
 * <ul>
 *   <li>objects of each class in the catalog;
 *   <li>documents, so that an {@link Upcaster} can work on fields: {@code Map<String, Object>} of strings, booleans,
 *       numbers, lists, maps, and {@code null}. Numbers keep their value: whole ones are read as {@link Integer},
 *       {@link Long} or {@link java.math.BigInteger}, others as {@link java.math.BigDecimal}.
 * </ul>
 *
 * <p>The payload of an event can be read as a document, with a field for each of its properties; the payload of a
 * document with these fields can be read as the event.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public interface EventCodec {

    /**
     * Turns an event or a document into bytes.
     *
     * @param value an object of a class in the catalog, or a document
     * @return a new array, never {@code null}
     * @throws RuntimeException if it cannot, naming what it cannot encode; an {@link IllegalArgumentException} where that
     *     stays so however often it is tried, as who writes for others, like a saga, leaves it then
     */
    byte[] encode(Object value);

    /**
     * Turns bytes into an event or a document.
     *
     * @param <T> the class of the event, or {@code Map}
     * @param payload what {@link #encode} gave, here or in an earlier version of the application; not changed
     * @param type a class in the catalog, or {@code Map.class} for a document
     * @return an object of exactly that class, or a {@code Map}; never {@code null}
     * @throws RuntimeException of the codec's own choice if the bytes are not such an object; whoever reads through
     *     {@link Catalog#decode} gets an {@link UnreadableEventException} that names the event
     */
    <T> T decode(byte[] payload, Class<T> type);

    /**
     * An event as a store keeps it.
     *
     * <p><b>Threads:</b> immutable.
     *
     * @param name the stable name of its type, as it was when the event was written
     * @param revision the revision of its type, as it was when the event was written; 1 or more
     * @param payload what the codec made of it; copied, here and by the accessor
     */
    @SuppressWarnings("ArrayRecordComponent") // copied both ways, and compared by content
    record Stored(String name, int revision, byte[] payload) {

        /**
         * Checks name and revision, and copies the payload.
         *
         * @param name the stable name of its type, as it was when the event was written
         * @param revision the revision of its type, as it was when the event was written; 1 or more
         * @param payload what the codec made of it; copied, here and by the accessor
         * @throws IllegalArgumentException if the name is blank, or the revision below 1
         */
        public Stored {
            Catalog.Revision.check(name, revision);
            payload = Objects.requireNonNull(payload, "payload").clone();
        }

        /**
         * Gives what the codec made of the event.
         *
         * @return a copy, never {@code null}
         */
        @Override
        public byte[] payload() {
            return payload.clone();
        }

        /** For codecs, which do not change it. */
        byte[] payloadItself() {
            return payload;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Stored that
                    && name.equals(that.name)
                    && revision == that.revision
                    && Arrays.equals(payload, that.payload);
        }

        @Override
        public int hashCode() {
            return 31 * Objects.hash(name, revision) + Arrays.hashCode(payload);
        }

        /** Tells the size of the payload only: what is in it has no place in a log of the application. */
        @Override
        public String toString() {
            return "Stored[name=" + name + ", revision=" + revision + ", payload=" + payload.length + " bytes]";
        }
    }

    /**
     * A stored event of a known name and revision cannot be read: its bytes are not what the codec expects, or an
     * upcaster does not fit them.
     *
     * <p>The message tells where the event stands, if the store says so, and no content of it; the cause, which is the codec's
     * or the upcaster's own, may.
     *
     * <p><b>Threads:</b> immutable.
     */
    final class UnreadableEventException extends CqrsException {

        private static final long serialVersionUID = 1L;

        /** The event's name. */
        private final String name;

        /** The event's revision. */
        private final int revision;

        UnreadableEventException(Stored stored, String why) {
            super(message(stored, why));
            this.name = stored.name();
            this.revision = stored.revision();
        }

        UnreadableEventException(Stored stored, String why, Throwable cause) {
            super(message(stored, why), cause);
            this.name = stored.name();
            this.revision = stored.revision();
        }

        private UnreadableEventException(UnreadableEventException same, Position position) {
            super("At position " + position + ": " + same.getMessage());
            this.name = same.name;
            this.revision = same.revision;
            var cause = same.getCause();
            if (cause != null) {
                initCause(cause);
            }
            setStackTrace(same.getStackTrace());
        }

        /**
         * What is no fault of the event is thrown on, such as a want of memory, and an interrupt is kept. All else is a fault of
         * it, be it a class that is not there, or what a language without checked exceptions throws.
         */
        static void passOn(Throwable thrown) {
            if (thrown instanceof Error error && !(error instanceof LinkageError || error instanceof AssertionError)) {
                throw error;
            }
            if (thrown instanceof InterruptedException) {
                Thread.currentThread().interrupt();
            }
        }

        UnreadableEventException at(Position position) {
            return new UnreadableEventException(this, position);
        }

        /**
         * Gives the name under which the event is stored.
         *
         * @return never {@code null}
         */
        public String name() {
            return name;
        }

        /**
         * Gives the revision under which the event is stored.
         *
         * @return 1 or more
         */
        public int revision() {
            return revision;
        }

        private static String message(Stored stored, String why) {
            return "The stored event \"" + stored.name() + "\", revision " + stored.revision() + ", cannot be read: "
                    + why;
        }
    }
}
