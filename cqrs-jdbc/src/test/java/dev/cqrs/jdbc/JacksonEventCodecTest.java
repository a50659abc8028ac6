package dev.cqrs.jdbc;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.Period;
import java.time.YearMonth;
import java.util.Arrays;
import java.util.Currency;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JacksonEventCodecTest {

    enum Colour {
        RED,
        BLUE
    }

    enum Size {
        LARGE {
            @Override
            int inches() {
                return 28;
            }
        };

        abstract int inches();
    }

    record Wheel(int spokes) {}

    record Bought(
            String name,
            boolean used,
            long cents,
            BigDecimal weight,
            BigInteger frame,
            Colour colour,
            List<Wheel> wheels,
            Map<String, Integer> parts) {}

    record Tree(UUID id, Set<String> marks, List<Tree> below) {}

    record Paid(long cents) {}

    record Labelled(String label) {}

    record Timed(
            Instant instant,
            LocalDate date,
            LocalTime time,
            LocalDateTime dateTime,
            OffsetDateTime offset,
            YearMonth month,
            Duration duration,
            Period period,
            Map<LocalDate, Integer> days) {}

    record Until(YearMonth month, Map<YearMonth, Integer> months) {}

    record Dated(LocalDate on) {}

    record Days(Map<LocalDate, Integer> days) {}

    sealed interface Means {}

    record Cash() implements Means {}

    record Card(String number) implements Means {}

    record PaidBy(Means means) {}

    record PaidByAll(List<Map<String, PaidBy>> means) {}

    record Noted(Optional<String> note) {}

    /** A class like many, whose constructor says nothing of the names of its parameters. */
    static final class Sealed {
        public final String text;

        Sealed(String text, int times) {
            this.text = text.repeat(times);
        }
    }

    @JsonTypeInfo(use = JsonTypeInfo.Id.CLASS)
    record Annotated(String text) {}

    private final JacksonEventCodec codec = new JacksonEventCodec();

    @Test
    void an_event_comes_back_equal() {
        var event = new Bought(
                "Rad „rot“ \u0000 😀",
                true,
                Long.MIN_VALUE,
                new BigDecimal("12.3400"),
                BigInteger.TWO.pow(200),
                Colour.BLUE,
                List.of(new Wheel(32), new Wheel(36)),
                Map.of("bell", 1));

        assertThat(codec.decode(codec.encode(event), Bought.class)).isEqualTo(event);

        var tree = new Tree(new UUID(1, 2), Set.of("root"), List.of(new Tree(new UUID(3, 4), Set.of(), List.of())));

        assertThat(codec.decode(codec.encode(tree), Tree.class)).isEqualTo(tree);
    }

    @Test
    void days_and_times_are_texts_and_lose_nothing() {
        var event = new Timed(
                Instant.MAX,
                LocalDate.MIN,
                LocalTime.MAX,
                LocalDateTime.of(1993, 1, 1, 0, 0),
                OffsetDateTime.MIN,
                YearMonth.of(1993, 2),
                Duration.ofSeconds(Long.MIN_VALUE, 1),
                Period.of(-1, 2, 300),
                Map.of(LocalDate.of(2000, 2, 29), 1));

        assertThat(codec.decode(codec.encode(event), Timed.class)).isEqualTo(event);
        for (var month : List.of(
                YearMonth.from(LocalDate.MIN),
                YearMonth.of(9_999, 12),
                YearMonth.of(10_000, 1),
                YearMonth.from(LocalDate.MAX))) {
            var until = new Until(month, Map.of(month, 1));
            assertThat(codec.decode(codec.encode(until), Until.class)).isEqualTo(until);
        }
        assertThat(new String(codec.encode(new Dated(LocalDate.of(1993, 1, 2))), UTF_8))
                .isEqualTo("{\"on\":\"1993-01-02\"}");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"on\":19930102}",
                "{\"on\":[1993,1,2]}",
                "{\"on\":{}}",
                "{\"on\":\"\"}",
                "{\"on\":\"1993-02-30\"}",
                "{\"on\":\"1993-01-02T00:00\"}"
            })
    void what_is_no_day_is_not_taken_for_one(String json) {
        assertThatExceptionOfType(UncheckedIOException.class)
                .isThrownBy(() -> codec.decode(json.getBytes(UTF_8), Dated.class));
        assertThatExceptionOfType(UncheckedIOException.class)
                .isThrownBy(() -> codec.decode("{\"days\":{\"30.2.1993\":1}}".getBytes(UTF_8), Days.class));
    }

    @Test
    void a_document_comes_back_equal_and_its_numbers_lose_nothing() {
        var document = new LinkedHashMap<String, Object>();
        document.put("text", "ü");
        document.put("nothing", null);
        document.put(
                "numbers",
                Arrays.asList(
                        0,
                        -1,
                        Integer.MAX_VALUE,
                        Long.MAX_VALUE,
                        BigInteger.TEN.pow(40),
                        new BigDecimal("0.10"),
                        null));
        document.put("nested", Map.of("list", List.of(Map.of(), List.of(), true)));
        document.put("precise", new BigDecimal("12345678901234567890.123456789"));

        assertThat((Object) codec.decode(codec.encode(document), Map.class)).isEqualTo(document);
    }

    @Test
    void an_event_can_be_read_as_a_document_and_a_document_as_an_event() {
        assertThat((Object) codec.decode(codec.encode(new Paid(5)), Map.class)).isEqualTo(Map.of("cents", 5));
        assertThat(codec.decode(codec.encode(Map.of("cents", 5)), Paid.class)).isEqualTo(new Paid(5));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{",
                "[]",
                "{}",
                "{\"cents\":1}{}",
                "{\"cents\":1,\"cents\":2}",
                "{\"cents\":1,\"more\":2}",
                "{\"cents\":null}",
                "{\"cents\":1.5}",
                "{\"cents\":\"1\"}",
                "{\"cents\":99999999999999999999}",
            })
    void bytes_that_are_no_such_event_are_refused(String json) {
        assertThatExceptionOfType(UncheckedIOException.class)
                .isThrownBy(() -> codec.decode(json.getBytes(UTF_8), Paid.class))
                .withMessageContaining(Paid.class.getName());
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"label\":1}", "{\"label\":1.5}", "{\"label\":true}", "{\"label\":{}}", "{\"label\":[]}"})
    void what_is_no_text_is_not_taken_for_one(String json) {
        assertThatExceptionOfType(UncheckedIOException.class)
                .isThrownBy(() -> codec.decode(json.getBytes(UTF_8), Labelled.class));
    }

    record Scalars(byte small, Byte boxed, UUID id, Currency currency) {}

    @ParameterizedTest
    @CsvSource({
        "127, -128, 00000000-0000-0001-0000-000000000002, CZK, true",
        "128, 0, 00000000-0000-0001-0000-000000000002, CZK, false",
        "0, -129, 00000000-0000-0001-0000-000000000002, CZK, false",
        "0, 1.0, 00000000-0000-0001-0000-000000000002, CZK, false",
        "null, 0, 00000000-0000-0001-0000-000000000002, CZK, false",
        "0, null, 00000000-0000-0001-0000-000000000002, CZK, true",
        "0, 0, '', CZK, false",
        "0, 0, 00000000-0000-0001-0000-000000000002, '', false"
    })
    void a_value_that_is_none_of_its_type_is_refused_and_not_made_another(
            String small, String boxed, String id, String currency, boolean readable) {
        var json = "{\"small\":" + small + ",\"boxed\":" + boxed + ",\"id\":\"" + id + "\",\"currency\":\"" + currency
                + "\"}";
        if (readable) {
            var read = codec.decode(json.getBytes(UTF_8), Scalars.class);
            assertThat(codec.decode(codec.encode(read), Scalars.class)).isEqualTo(read);
            assertThat(read.id()).isEqualTo(new UUID(1, 2));
        } else {
            assertThatExceptionOfType(UncheckedIOException.class)
                    .isThrownBy(() -> codec.decode(json.getBytes(UTF_8), Scalars.class));
        }
    }

    record ByObject(Map<Object, String> texts) {}

    record BySerializable(Map<Serializable, String> texts) {}

    @Test
    void a_key_of_whichever_class_is_a_text_or_not_written() {
        var texts = new ByObject(Map.of("1", "b"));
        assertThat(codec.decode(codec.encode(texts), ByObject.class)).isEqualTo(texts);
        for (var event : List.of(
                new ByObject(Map.of(1, "a", "1", "b")), // which would be one
                new ByObject(Map.of(1, "a")),
                new BySerializable(Map.of(1, "a")))) {
            assertThatExceptionOfType(IllegalArgumentException.class)
                    .isThrownBy(() -> codec.encode(event))
                    .havingRootCause()
                    .withMessageContaining("The key 1 of a map is of class java.lang.Integer");
        }
    }

    @Test
    void annotations_cannot_put_a_class_name_into_the_bytes() {
        var bytes = codec.encode(new Annotated("x"));

        assertThat(new String(bytes, UTF_8)).isEqualTo("{\"text\":\"x\"}");
        assertThat(codec.decode(bytes, Annotated.class)).isEqualTo(new Annotated("x"));
    }

    @Test
    void a_constant_with_methods_of_its_own_is_one_of_its_enum() {
        assertThat(codec.decode(codec.encode(Size.LARGE), Size.class)).isEqualTo(Size.LARGE);
    }

    @Test
    void what_could_not_be_read_again_is_not_written() {
        for (var event : List.of(
                new PaidBy(new Card("4711")),
                new PaidByAll(List.of()), // the next one may have some
                new Noted(Optional.of("x")),
                new Sealed("x", 2))) {
            for (int time = 1; time <= 2; time++) {
                assertThatExceptionOfType(IllegalArgumentException.class)
                        .isThrownBy(() -> codec.encode(event))
                        .withMessageContaining(event.getClass().getName())
                        .withMessageContaining("expected a record of");
            }
        }
        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> codec.encode(new PaidBy(new Cash())))
                .havingRootCause()
                .withMessageContaining(Means.class.getName());
    }

    abstract static class Shape {
        public int sides;
    }

    record HasObject(Object any) {}

    record HasNumber(Number number) {}

    record HasSerializable(Serializable any) {}

    record HasShape(Shape shape) {}

    record Box<T>(T content) {}

    record HasObjects(List<Object> some) {}

    record HasUnknown(List<?> some) {}

    @SuppressWarnings("rawtypes")
    record HasRaw(Map some) {}

    record HasNested(Map<String, List<HasNumber>> some) {}

    @SuppressWarnings("ArrayRecordComponent") // never compared
    record HasArray(Object[] some) {}

    record HasBox(Box<Long> box, List<Box<LocalDate>> days) {}

    @Test
    void what_would_be_read_as_something_else_is_not_written() {
        for (var event : List.of(
                new HasObject(1L),
                new HasNumber(1L),
                new HasSerializable(1L),
                new HasShape(new Shape() {}),
                new Box<>(1L), // whose content nothing tells of
                new HasObjects(List.of()), // the next one may have some
                new HasUnknown(List.of(LocalDate.MIN)),
                new HasRaw(Map.of()),
                new HasNested(Map.of()),
                new HasArray(new Object[0]))) {
            for (int time = 1; time <= 2; time++) {
                assertThatExceptionOfType(IllegalArgumentException.class)
                        .isThrownBy(() -> codec.encode(event))
                        .withMessageContaining(event.getClass().getName())
                        .withMessageContaining("expected a record of")
                        .havingCause()
                        .withMessageContaining("could be written, and");
            }
        }
        codec.decode("{\"any\":1}".getBytes(UTF_8), HasObject.class); // what is there already stays readable
        assertThatExceptionOfType(IllegalArgumentException.class).isThrownBy(() -> codec.encode(new HasObject(1)));

        var boxes = new HasBox(new Box<>(1L), List.of(new Box<>(LocalDate.MIN)));
        assertThat(codec.decode(codec.encode(boxes), HasBox.class)).isEqualTo(boxes);
    }

    record Amount(
            BigDecimal decimal, double primitive, @Nullable Double boxed, float small, Float boxedSmall) {}

    record Amounts(
            Amount one,
            List<BigDecimal> decimals,
            List<Double> doubles,
            Map<String, BigDecimal> byName,
            Map<BigDecimal, Float> floats,
            Set<Amount> set) {}

    static Amounts amounts() {
        var thousand = new BigDecimal("1000.00").stripTrailingZeros();
        var one = new Amount(thousand, -0.0, -0.0, -0.0f, -0.0f);
        var other = new Amount(new BigDecimal("0E+3"), 0.0, Double.NaN, Float.NEGATIVE_INFINITY, 0.0f);
        return new Amounts(
                one,
                List.of(
                        thousand,
                        thousand.negate(),
                        new BigDecimal("12E+40"),
                        BigDecimal.ZERO,
                        new BigDecimal("0.00"),
                        new BigDecimal("1E-7"),
                        new BigDecimal("1000.00")),
                List.of(-0.0, 0.0, Double.MIN_VALUE, -Double.MAX_VALUE, 1E22, Double.POSITIVE_INFINITY),
                Map.of("a", thousand, "b", new BigDecimal("0E+3")),
                Map.of(thousand, -0.0f),
                Set.of(one, other));
    }

    @Test
    void numbers_come_back_as_they_were_also_where_a_database_keeps_decimals() {
        var amounts = amounts();
        var bytes = codec.encode(amounts);

        assertThat(codec.decode(bytes, Amounts.class)).isEqualTo(amounts);
        assertThat(new String(bytes, UTF_8))
                .startsWith("{\"one\":{\"decimal\":\"1E+3\",\"primitive\":\"-0.0\",\"boxed\":\"-0.0\",")
                .contains("\"decimals\":[\"1E+3\",\"-1E+3\",\"1.2E+41\",0,0.00,1E-7,1000.00]");
        // as it was written before
        assertThat(codec.decode(
                        "{\"decimal\":1E+3,\"primitive\":-0.0,\"boxed\":null,\"small\":-0.0,\"boxedSmall\":-0}"
                                .getBytes(UTF_8),
                        Amount.class))
                .isEqualTo(new Amount(new BigDecimal("1E+3"), -0.0, null, -0.0f, 0.0f));
    }

    @ParameterizedTest
    @ValueSource(strings = {"1000", "1E3", "+1E+3", " 1E+3", "1E-3", "1E+3x", "", "-0.0", "NaN"})
    void a_text_that_is_no_such_number_is_not_taken_for_one(String text) {
        var json = "{\"decimal\":\"" + text + "\",\"primitive\":0,\"boxed\":0,\"small\":0,\"boxedSmall\":0}";
        assertThatExceptionOfType(UncheckedIOException.class)
                .isThrownBy(() -> codec.decode(json.getBytes(UTF_8), Amount.class));
        for (var other : List.of("0.0", "-0", "1E+3", "")) {
            for (var field : List.of("primitive", "boxed", "small", "boxedSmall")) {
                var wrong = "{\"decimal\":0,\"primitive\":0,\"boxed\":0,\"small\":0,\"boxedSmall\":0}"
                        .replace("\"" + field + "\":0", "\"" + field + "\":\"" + other + "\"");
                assertThatExceptionOfType(UncheckedIOException.class)
                        .isThrownBy(() -> codec.decode(wrong.getBytes(UTF_8), Amount.class));
            }
        }
    }

    @Test
    void a_number_in_a_document_is_one_when_it_is_read() {
        var document = Map.<String, Object>of("decimal", new BigDecimal("1E+3"));
        assertThat((Object) codec.decode(codec.encode(document), Map.class)).isEqualTo(document);
    }

    record Bill(String text, long cents) {
        public boolean isCredit() {
            return cents < 0;
        }

        public String getTitle() {
            return text + "!";
        }
    }

    @Test
    void a_record_is_its_components_and_not_what_its_methods_say_of_them() {
        var bill = new Bill("rent", -5);

        assertThat(new String(codec.encode(bill), UTF_8)).isEqualTo("{\"text\":\"rent\",\"cents\":-5}");
        assertThat(codec.decode(codec.encode(bill), Bill.class)).isEqualTo(bill);
    }

    record Flags(boolean isOpen, boolean open, String getName, String name) {
        public String getOpen() {
            return "neither";
        }
    }

    @Test
    void a_component_may_be_called_like_a_method_that_gets_another() {
        var flags = new Flags(true, false, "a", "b");
        assertThat(codec.decode(codec.encode(flags), Flags.class)).isEqualTo(flags);
    }

    record Id(String value) {}

    record Printed(String value) {
        @Override
        public String toString() {
            return value;
        }
    }

    record ById(Map<Id, Long> sums) {}

    record ByPrinted(Map<Printed, Long> sums) {}

    record ByCharacter(Map<Character, Long> sums) {}

    record ByColour(Map<Colour, Long> sums, Map<Size, Long> sizes, Map<UUID, Long> ids, Map<Integer, Long> numbers) {}

    @Test
    void a_key_that_would_be_read_as_another_is_not_written() {
        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> codec.encode(new ById(Map.of(new Id("a"), 1L))))
                .havingRootCause()
                .withMessageContaining("Id[value=a]")
                .withMessageContaining("toString()");
        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> codec.encode(new ByCharacter(Map.of('\ud800', 1L))))
                .havingRootCause()
                .withMessageContaining("surrogate");

        for (var event : List.of(
                new ByPrinted(Map.of(new Printed("a"), 1L)),
                new ByCharacter(Map.of('a', 1L)),
                new ByColour(
                        Map.of(Colour.RED, 1L), Map.of(Size.LARGE, 2L), Map.of(new UUID(1, 2), 3L), Map.of(4, 4L)))) {
            assertThat(codec.<Object>decode(codec.encode(event), type(event))).isEqualTo(event);
        }
    }

    @SuppressWarnings("unchecked")
    private static Class<Object> type(Object event) {
        return (Class<Object>) event.getClass();
    }

    @Test
    void an_object_that_is_no_event_cannot_be_encoded() {
        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> codec.encode(new Object()))
                .withMessageContaining("java.lang.Object");
    }
}
