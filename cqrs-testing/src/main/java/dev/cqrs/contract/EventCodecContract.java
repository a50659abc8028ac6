package dev.cqrs.contract;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cqrs.contract.CampusEvent.CourseOpened;
import dev.cqrs.contract.CampusEvent.Subscribed;
import dev.cqrs.contract.CampusEvent.TermBegan;
import dev.cqrs.event.EventCodec;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What every {@link EventCodec} must do, as tests: extend it and say how your codec is made.
 *
 * <p>The events are records of numbers, strings, booleans and lists of strings.
 *
 * <p><b>Threads:</b> JUnit makes an instance for each test.
 */
public abstract class EventCodecContract {

    /** An event with a property of each kind. */
    record Measured(String text, int whole, long large, boolean flag, List<String> list) {}

    private static final Measured MEASURED =
            new Measured("text", Integer.MIN_VALUE, Long.MAX_VALUE, true, List.of("c", "a", "b"));

    private EventCodec codec = Nulls.nullOf(EventCodec.class);

    /** For the tests of implementations. */
    protected EventCodecContract() {}

    /**
     * Makes a codec.
     *
     * @return the codec to be tested
     */
    protected abstract EventCodec codec();

    @BeforeEach
    void make_a_codec() {
        codec = codec();
    }

    // ---------------------------------------------------------------------------------------------------- events

    @Test
    void an_event_comes_back_equal_as_another_object() {
        var back = codec.decode(codec.encode(MEASURED), Measured.class);

        assertEquals(MEASURED, back);
        assertNotSame(MEASURED, back);
    }

    @Test
    void an_event_comes_back_through_the_catalog() {
        for (var event : List.of(new TermBegan(2026), new CourseOpened("maths", 0), new Subscribed("maths", "ada"))) {
            var stored = CampusEvent.CATALOG.encode(event, codec);

            assertEquals(List.of(event), CampusEvent.CATALOG.decode(stored, codec));
        }
    }

    @Test
    void any_text_comes_back_as_it_was() {
        for (var text :
                List.of("", " ", "\"'\\/{}[],:<>&", "a\nb\r\n\t\u0000\u001f\u007f", "grün ß Ω 漢 😀", "null", "1")) {
            var event = new CourseOpened(text, 1);

            assertEquals(event, codec.decode(codec.encode(event), CourseOpened.class));
        }
    }

    /** The same letters, composed and in parts, are different texts. */
    @Test
    void text_comes_back_in_the_form_of_unicode_it_had() {
        for (var text : List.of(
                "\u00e9", "e\u0301", "\u00c5", "A\u030a", "\u212b", "\ufb01", "q\u0323\u0307", "q\u0307\u0323")) {
            var event = new Measured(text, 0, 0, false, List.of(text, "-" + text));
            var document = Map.<String, Object>of(text, text);

            assertEquals(event, codec.decode(codec.encode(event), Measured.class));
            assertEquals(document, document(codec.encode(document)));
        }
    }

    @Test
    void an_event_of_more_than_64_kib_comes_back_whole() {
        for (var event : List.of(
                new Measured("x".repeat(70_000) + "end", 1, 2, true, List.of("last")),
                new Measured("漢".repeat(30_000) + "end", 1, 2, true, List.of("last")),
                new Measured("", 1, 2, true, Collections.nCopies(30_000, "grün")))) {
            var bytes = codec.encode(event);

            assertEquals(event, codec.decode(bytes, Measured.class));
            assertEquals(event.text(), document(bytes).get("text"));
            assertEquals(event.list(), document(bytes).get("list"));
            assertEquals(event, codec.decode(codec.encode(document(bytes)), Measured.class));
        }
    }

    @Test
    void a_long_list_keeps_its_order() {
        var event = new Measured("", 0, 0, false, Collections.nCopies(10_000, "x"));
        var reversed = new Measured("", 0, 0, false, List.of("3", "2", "1"));

        assertEquals(event, codec.decode(codec.encode(event), Measured.class));
        assertEquals(reversed, codec.decode(codec.encode(reversed), Measured.class));
    }

    @Test
    void no_class_name_is_in_the_bytes() {
        for (var event : List.of(MEASURED, new Subscribed("maths", "ada"))) {
            var bytes = codec.encode(event);

            assertTrue(bytes.length > 0);
            var text = new String(bytes, ISO_8859_1);
            assertFalse(text.contains(event.getClass().getSimpleName()), text);
            assertFalse(text.contains("dev.cqrs"), text);
        }
    }

    // ------------------------------------------------------------------------------------------------- documents

    @Test
    void a_document_comes_back_equal() {
        var document = new LinkedHashMap<String, Object>();
        document.put("", "");
        document.put("text", "grün \"x\"");
        document.put("nothing", Nulls.nullOf(Object.class));
        document.put("flags", List.of(true, false));
        document.put("nested", Map.of("list", Arrays.asList(List.of(), Map.of("a", "b"), Nulls.nullOf(Object.class))));

        assertEquals(document, document(codec.encode(document)));
    }

    @Test
    void whole_numbers_in_a_document_keep_their_value() {
        var numbers = List.<Object>of(
                0,
                -1,
                Integer.MAX_VALUE,
                Integer.MIN_VALUE,
                Integer.MAX_VALUE + 1L,
                Long.MAX_VALUE,
                Long.MIN_VALUE,
                BigInteger.TWO.pow(63),
                BigInteger.TEN.pow(60).negate());

        for (var number : numbers) {
            var back = document(codec.encode(Map.of("number", number))).get("number");
            assertTrue(back instanceof Integer || back instanceof Long || back instanceof BigInteger, "" + back);
            assertEquals(number.toString(), String.valueOf(back));
        }
    }

    @Test
    void decimals_in_a_document_keep_their_value() {
        for (var text : List.of("0.1", "-0.10", "12345678901234567890.0987654321", "1.7976931348623157E+400")) {
            var back = document(codec.encode(Map.of("number", new BigDecimal(text))))
                    .get("number");

            assertTrue(back instanceof BigDecimal, text);
            assertEquals(0, new BigDecimal(text).compareTo((BigDecimal) back), text);
        }
    }

    @Test
    void an_event_is_read_as_a_document_with_its_properties_as_fields() {
        var fields = document(codec.encode(MEASURED));

        assertEquals(
                Map.of(
                        "text",
                        "text",
                        "whole",
                        Integer.MIN_VALUE,
                        "large",
                        Long.MAX_VALUE,
                        "flag",
                        true,
                        "list",
                        List.of("c", "a", "b")),
                fields);
    }

    @Test
    void a_document_with_the_properties_of_an_event_is_read_as_the_event() {
        var fields = document(codec.encode(MEASURED));

        assertEquals(MEASURED, codec.decode(codec.encode(fields), Measured.class));
        assertEquals(
                new Subscribed("maths", "ada"),
                codec.decode(codec.encode(Map.of("student", "ada", "course", "maths")), Subscribed.class));
    }

    // ---------------------------------------------------------------------------------------------------- bytes

    @Test
    void bytes_that_were_cut_short_are_refused() {
        var bytes = codec.encode(MEASURED);

        for (int length = 0; length < bytes.length; length++) {
            var part = Arrays.copyOf(bytes, length);
            assertThrows(RuntimeException.class, () -> codec.decode(part, Measured.class), "the first " + length);
            assertThrows(RuntimeException.class, () -> codec.decode(part, Map.class), "the first " + length);
        }
        assertEquals(MEASURED, codec.decode(bytes, Measured.class));
    }

    @Test
    void the_bytes_of_another_event_are_refused() {
        var bytes = codec.encode(new TermBegan(2026));

        assertThrows(RuntimeException.class, () -> codec.decode(bytes, Measured.class));
        assertThrows(RuntimeException.class, () -> codec.decode(bytes, Subscribed.class));
        assertEquals(new TermBegan(2026), codec.decode(bytes, TermBegan.class));
    }

    @Test
    void decoding_leaves_the_bytes_as_they_were() {
        var bytes = codec.encode(MEASURED);
        var copy = bytes.clone();

        assertEquals(MEASURED, codec.decode(bytes, Measured.class));
        assertEquals("text", document(bytes).get("text"));

        assertArrayEquals(copy, bytes);
    }

    @Test
    void each_array_is_the_callers_own() {
        var bytes = codec.encode(MEASURED);
        Arrays.fill(bytes, (byte) 0);

        assertEquals(MEASURED, codec.decode(codec.encode(MEASURED), Measured.class));
    }

    @Test
    void what_is_encoded_next_shares_no_array_with_what_was_encoded_before() {
        // given two events that are equal, and one whose payload is as long
        var other = new Measured("tuxt", Integer.MIN_VALUE, Long.MAX_VALUE, true, List.of("c", "a", "b"));

        // when
        var first = codec.encode(MEASURED);
        var equal = codec.encode(MEASURED);
        var last = codec.encode(other);

        // then
        assertEquals(MEASURED, codec.decode(first, Measured.class));
        Arrays.fill(first, (byte) 0);
        assertEquals(MEASURED, codec.decode(equal, Measured.class));
        Arrays.fill(equal, (byte) 0);
        assertEquals(other, codec.decode(last, Measured.class));
    }

    @Test
    void many_threads_use_one_codec_at_once() {
        var results = Together.<Boolean>run(4, thread -> () -> {
            boolean equal = true;
            for (int i = 0; i < 500; i++) {
                var event = new Measured("t" + thread, i, thread, i % 2 == 0, List.of("" + i));
                equal &= event.equals(codec.decode(codec.encode(event), Measured.class));
            }
            return equal;
        });

        assertEquals(List.of(true, true, true, true), results);
    }

    @SuppressWarnings("unchecked") // the contract
    private Map<String, Object> document(byte[] bytes) {
        return codec.decode(bytes, Map.class);
    }
}
