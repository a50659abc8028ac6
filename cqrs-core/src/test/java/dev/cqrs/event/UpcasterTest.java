package dev.cqrs.event;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.event.Catalog.Revision;
import dev.cqrs.event.Catalog.Unknown;
import dev.cqrs.event.EventCodec.Stored;
import dev.cqrs.event.EventCodec.UnreadableEventException;
import dev.cqrs.message.WiringException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What earlier revisions become when they are read. */
class UpcasterTest {

    interface Movement {}

    record Deposited(String account, int cents, String currency) implements Movement {}

    record Withdrawn(String account, int cents) implements Movement {}

    record Named(String first, String last) {}

    private static final EventCodec CODEC = new PlainCodec();

    private static final Catalog BANK = Catalog.builder()
            .event("deposited", 3, Deposited.class)
            .upcast(Upcaster.from("deposited", 1).rename("amount", "cents"))
            .upcast(Upcaster.from("deposited", 2).withDefault("currency", "EUR"))
            .upcast(Upcaster.from("paid-in", 1).rename("sum", "cents").to("deposited", 2))
            .event("withdrawn", Withdrawn.class)
            .upcast(Upcaster.from("moved", 1)
                    .into("withdrawn", 1, e -> List.of(part(e, "from")))
                    .into("deposited", 2, e -> List.of(part(e, "to"))))
            .upcast(Upcaster.from("viewed", 1).drop())
            .event("named", 2, Named.class)
            .upcast(Upcaster.from("named", 1).fields(e -> {
                var names = string(e.remove("name")).split(" ", 2);
                e.put("first", names[0]);
                e.put("last", names[1]);
                return e;
            }))
            .build();

    private static Map<String, Object> part(Map<String, Object> moved, String side) {
        return Map.of("account", string(moved.get(side)), "cents", Objects.requireNonNull(moved.get("cents")));
    }

    private static String string(@Nullable Object value) {
        return (String) Objects.requireNonNull(value);
    }

    private static Stored stored(String name, int revision, String json) {
        return new Stored(name, revision, json.replace('\'', '"').getBytes(UTF_8));
    }

    // ------------------------------------------------------------------------------------------------- what is read

    @Test
    void an_event_is_taken_from_revision_to_revision_up_to_the_current_one() {
        assertThat(BANK.decode(stored("deposited", 1, "{'account':'47','amount':5,}"), CODEC))
                .containsExactly(new Deposited("47", 5, "EUR"));
        assertThat(BANK.decode(stored("deposited", 2, "{'account':'47','cents':5,}"), CODEC))
                .containsExactly(new Deposited("47", 5, "EUR"));
        assertThat(BANK.decode(stored("deposited", 3, "{'account':'47','cents':5,'currency':'CHF',}"), CODEC))
                .containsExactly(new Deposited("47", 5, "CHF"));
    }

    @Test
    void a_default_leaves_a_field_that_is_there() {
        assertThat(BANK.decode(stored("deposited", 2, "{'account':'47','cents':5,'currency':'CHF',}"), CODEC))
                .containsExactly(new Deposited("47", 5, "CHF"));
    }

    @Test
    void an_event_of_another_name_becomes_one_of_this() {
        assertThat(BANK.decode(stored("paid-in", 1, "{'account':'47','sum':5,}"), CODEC))
                .containsExactly(new Deposited("47", 5, "EUR"));
    }

    @Test
    void one_event_becomes_several_in_the_order_of_the_calls_each_taken_on_from_there() {
        assertThat(BANK.decode(stored("moved", 1, "{'from':'47','to':'48','cents':5,}"), CODEC))
                .containsExactly(new Withdrawn("47", 5), new Deposited("48", 5, "EUR"));
    }

    @Test
    void a_field_is_split_into_two() {
        assertThat(BANK.decode(stored("named", 1, "{'name':'Ada King Lovelace',}"), CODEC))
                .containsExactly(new Named("Ada", "King Lovelace"));
    }

    @Test
    void a_dropped_event_becomes_none_whatever_its_bytes_are() {
        assertThat(BANK.decode(stored("viewed", 1, "{'page':1,}"), CODEC)).isEmpty();
        assertThat(BANK.decode(stored("viewed", 1, "garbage"), CODEC)).isEmpty();
    }

    @Test
    void a_split_may_give_any_number_of_events_of_one_kind() {
        var catalog = Catalog.builder()
                .event("withdrawn", Withdrawn.class)
                .upcast(Upcaster.from("batch", 1)
                        .into(
                                "withdrawn",
                                1,
                                e -> ((List<?>) Objects.requireNonNull(e.get("cents")))
                                        .stream()
                                                .map(cents -> Map.<String, Object>of("account", "47", "cents", cents))
                                                .toList()))
                .build();

        assertThat(catalog.decode(stored("batch", 1, "{'cents':[1,2,3,],}"), CODEC))
                .containsExactly(new Withdrawn("47", 1), new Withdrawn("47", 2), new Withdrawn("47", 3));
        assertThat(catalog.decode(stored("batch", 1, "{'cents':[],}"), CODEC)).isEmpty();
    }

    @Test
    void each_part_of_a_split_begins_with_the_fields_as_they_were() {
        var catalog = Catalog.builder()
                .event("withdrawn", Withdrawn.class)
                .upcast(Upcaster.from("twice", 1)
                        .remove("comment")
                        .into("withdrawn", 1, e -> {
                            e.put("cents", 1);
                            return List.of(e);
                        })
                        .into("withdrawn", 1, List::of))
                .build();

        assertThat(catalog.decode(stored("twice", 1, "{'account':'47','cents':5,'comment':'x',}"), CODEC))
                .containsExactly(new Withdrawn("47", 1), new Withdrawn("47", 5));
    }

    @Test
    void the_result_cannot_be_changed() {
        for (var stored : List.of(
                stored("moved", 1, "{'from':'47','to':'48','cents':5,}"),
                stored("viewed", 1, ""),
                stored("withdrawn", 1, "{'account':'47','cents':5,}"))) {
            var events = BANK.decode(stored, CODEC);
            assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(() -> events.add("more"));
        }
    }

    @Test
    void a_codec_may_give_documents_that_cannot_be_changed() {
        var codec = new EventCodecTest.Around(CODEC) {
            @Override
            public <T> T decode(byte[] payload, Class<T> type) {
                var decoded = super.decode(payload, type);
                return decoded instanceof Map<?, ?> map ? type.cast(Collections.unmodifiableMap(map)) : decoded;
            }
        };

        assertThat(BANK.decode(stored("named", 1, "{'name':'Ada Lovelace',}"), codec))
                .containsExactly(new Named("Ada", "Lovelace"));
        assertThat(BANK.decode(stored("deposited", 1, "{'account':'47','amount':5,}"), codec))
                .hasSize(1);
    }

    /** As calls within each other they would not fit on a stack. */
    @Test
    void ten_thousand_revisions_are_joined_and_half_of_them_split() {
        var builder = Catalog.builder().event("withdrawn", 10_001, Withdrawn.class);
        for (int revision = 1; revision <= 10_000; revision++) {
            var one = Upcaster.from("withdrawn", revision).fields(e -> {
                e.put("cents", (int) Objects.requireNonNull(e.get("cents")) + 1);
                return e;
            });
            builder.upcast(revision % 2 == 0 ? one : one.into("withdrawn", revision + 1, List::of));
        }

        assertThat(builder.build().decode(stored("withdrawn", 1, "{'account':'47','cents':0,}"), CODEC))
                .containsExactly(new Withdrawn("47", 10_000));
    }

    @Test
    void what_a_piece_becomes_comes_before_what_the_next_one_becomes() {
        var catalog = Catalog.builder()
                .event("withdrawn", 3, Withdrawn.class)
                .upcast(Upcaster.from("withdrawn", 1).into("withdrawn", 2, e -> List.of(with(e, 10), with(e, 20))))
                .upcast(Upcaster.from("withdrawn", 2)
                        .into("withdrawn", 3, e -> List.of(with(e, 1), with(e, 2)))
                        .into("withdrawn", 3, e -> List.of(with(e, 3))))
                .build();

        assertThat(catalog.decode(stored("withdrawn", 1, "{'account':'47','cents':0,}"), CODEC))
                .containsExactly(
                        new Withdrawn("47", 11),
                        new Withdrawn("47", 12),
                        new Withdrawn("47", 13),
                        new Withdrawn("47", 21),
                        new Withdrawn("47", 22),
                        new Withdrawn("47", 23));
    }

    private static Map<String, Object> with(Map<String, Object> fields, int cents) {
        var more = new LinkedHashMap<>(fields);
        more.merge("cents", cents, (had, added) -> (int) had + (int) added);
        return more;
    }

    // ---------------------------------------------------------------------------------------------- what is unknown

    @Test
    void an_unknown_name_is_refused_unless_it_is_to_be_skipped() {
        var stored = stored("closed", 1, "{}");

        assertThatExceptionOfType(UnknownEventException.class)
                .isThrownBy(() -> BANK.decode(stored, CODEC))
                .withMessageContainingAll(
                        "\"closed\" revision 1",
                        "it knows [deposited, moved, named, paid-in, viewed, withdrawn]",
                        "event(name, revision, class)",
                        "upcast(Upcaster.from(",
                        "Unknown.SKIP")
                .satisfies(e -> assertThat(e.type()).isEqualTo("closed"));
        assertThat(skipping().decode(stored, CODEC)).isEmpty();
    }

    @Test
    void a_newer_revision_is_refused_unless_it_is_to_be_skipped() {
        for (var stored : List.of(stored("withdrawn", 2, "{}"), stored("withdrawn", Integer.MAX_VALUE, "{}"))) {
            assertThatExceptionOfType(UnknownEventException.class)
                    .isThrownBy(() -> skippingNothing().decode(stored, CODEC))
                    .withMessageContainingAll(
                            "\"withdrawn\" revision " + stored.revision(),
                            "it knows revision 1 and below",
                            "A newer version of the application has written it",
                            "Unknown.SKIP");
            assertThat(skipping().decode(stored, CODEC)).isEmpty();
        }
        assertThatExceptionOfType(UnknownEventException.class)
                .isThrownBy(() -> BANK.decode(stored("moved", 2, "{}"), CODEC))
                .withMessageContainingAll("\"moved\" revision 2", "revision 1 and below");
    }

    @Test
    void an_empty_catalog_knows_no_stored_event() {
        assertThatExceptionOfType(UnknownEventException.class)
                .isThrownBy(() -> Catalog.builder().build().decode(stored("closed", 1, "{}"), CODEC))
                .withMessageContaining("it knows none");
    }

    @Test
    void to_skip_what_is_unknown_does_not_skip_what_cannot_be_read() {
        assertThatExceptionOfType(UnreadableEventException.class)
                .isThrownBy(() -> skipping().decode(stored("withdrawn", 1, "garbage"), CODEC));
    }

    private static Catalog skipping() {
        return Catalog.builder()
                .event("withdrawn", Withdrawn.class)
                .unknown(Unknown.SKIP)
                .build();
    }

    private static Catalog skippingNothing() {
        return Catalog.builder()
                .event("withdrawn", Withdrawn.class)
                .unknown(Unknown.FAIL)
                .build();
    }

    // --------------------------------------------------------------------------------- what a store and a test ask

    @Test
    void the_revisions_are_all_that_can_be_read() {
        assertThat(BANK.revisions())
                .containsExactly(
                        new Revision("deposited", 1),
                        new Revision("deposited", 2),
                        new Revision("deposited", 3),
                        new Revision("moved", 1),
                        new Revision("named", 1),
                        new Revision("named", 2),
                        new Revision("paid-in", 1),
                        new Revision("viewed", 1),
                        new Revision("withdrawn", 1));
        assertThatExceptionOfType(UnsupportedOperationException.class)
                .isThrownBy(() -> BANK.revisions().clear());
    }

    @Test
    void the_stored_names_of_a_class_are_all_that_may_become_it_or_one_below_it() {
        assertThat(BANK.storedNames(Deposited.class)).containsExactly("deposited", "moved", "paid-in");
        assertThat(BANK.storedNames(Withdrawn.class)).containsExactly("moved", "withdrawn");
        assertThat(BANK.storedNames(Movement.class)).containsExactly("deposited", "moved", "paid-in", "withdrawn");
        assertThat(BANK.storedNames(Named.class)).containsExactly("named");
        assertThat(BANK.storedNames(Object.class)).doesNotContain("viewed").hasSize(5);
        assertThatExceptionOfType(UnknownEventException.class).isThrownBy(() -> BANK.storedNames(Runnable.class));
        assertThatExceptionOfType(UnsupportedOperationException.class)
                .isThrownBy(() -> BANK.storedNames(Named.class).clear());
    }

    @Test
    void the_revisions_of_a_class_tell_apart_what_its_names_do_not() {
        var catalog = Catalog.builder()
                .event("withdrawn", 2, Withdrawn.class)
                .upcast(Upcaster.from("withdrawn", 1)
                        .into("withdrawn", 2, List::of)
                        .into("deposited", 1, e -> List.of()))
                .event("deposited", Deposited.class)
                .build();

        assertThat(catalog.storedNames(Deposited.class)).containsExactly("deposited", "withdrawn");
        assertThat(catalog.revisions(Deposited.class))
                .containsExactly(new Revision("deposited", 1), new Revision("withdrawn", 1));
        assertThat(catalog.revisions(Withdrawn.class))
                .containsExactly(new Revision("withdrawn", 1), new Revision("withdrawn", 2));
    }

    // ------------------------------------------------------------------------------------------ what does not fit

    @Test
    void a_field_to_rename_that_is_missing_is_told_with_event_revision_and_field() {
        assertThatExceptionOfType(UnreadableEventException.class)
                .isThrownBy(() -> BANK.decode(stored("deposited", 1, "{'account':'secret','sum':5,}"), CODEC))
                .withMessageContainingAll(
                        "The stored event \"deposited\", revision 1, cannot be read",
                        "rename(\"amount\", \"cents\")",
                        "no field \"amount\", only [account, sum]",
                        "Correct the upcaster")
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("secret"));
    }

    @Test
    void a_field_that_would_be_overwritten_is_told() {
        assertThatExceptionOfType(UnreadableEventException.class)
                .isThrownBy(() -> BANK.decode(stored("deposited", 1, "{'amount':1,'cents':2,}"), CODEC))
                .withMessageContainingAll("\"deposited\", revision 1", "there is a field \"cents\" already");
    }

    @Test
    void a_field_renamed_to_its_own_name_stays() {
        assertThat(read(Upcaster.from("withdrawn", 1).rename("cents", "cents"))).isEqualTo(new Withdrawn("47", 5));
    }

    @Test
    @SuppressWarnings("NullAway")
    void a_function_that_gives_null_is_told() {
        for (var upcaster : List.of(
                Upcaster.from("withdrawn", 1).fields(e -> null),
                Upcaster.from("withdrawn", 1).into("withdrawn", 2, e -> null),
                Upcaster.from("withdrawn", 1).into("withdrawn", 2, e -> Collections.singletonList(null)))) {
            assertThatExceptionOfType(UnreadableEventException.class)
                    .isThrownBy(() -> read(upcaster))
                    .withMessageContainingAll("\"withdrawn\", revision 1", "null; expected ", upcaster.toString());
        }
    }

    @Test
    void a_function_that_throws_is_told_with_the_cause() {
        var boom = new IllegalStateException("boom");
        Map.of(
                        "at fields(...), ",
                        Upcaster.from("withdrawn", 1).fields(e -> {
                            throw boom;
                        }),
                        "at into(\"withdrawn\", 2, ...), ",
                        Upcaster.from("withdrawn", 1).into("withdrawn", 2, e -> {
                            throw boom;
                        }))
                .forEach((where, upcaster) -> assertThatExceptionOfType(UnreadableEventException.class)
                        .isThrownBy(() -> read(upcaster))
                        .withMessageContainingAll("\"withdrawn\", revision 1", where, "IllegalStateException", "cause")
                        .withCause(boom));
    }

    @Test
    void a_failure_further_on_names_the_event_that_is_stored_and_the_upcaster_at_fault() {
        var catalog = Catalog.builder()
                .event("withdrawn", 3, Withdrawn.class)
                .upcast(Upcaster.from("withdrawn", 1))
                .upcast(Upcaster.from("withdrawn", 2).rename("amount", "cents"))
                .build();

        assertThatExceptionOfType(UnreadableEventException.class)
                .isThrownBy(() -> catalog.decode(stored("withdrawn", 1, "{'account':'47',}"), CODEC))
                .withMessageContainingAll("\"withdrawn\", revision 1, ", "in Upcaster.from(\"withdrawn\", 2)");
    }

    @Test
    void fields_that_do_not_make_up_the_class_are_told() {
        assertThatExceptionOfType(UnreadableEventException.class)
                .isThrownBy(() -> read(Upcaster.from("withdrawn", 1).remove("cents")))
                .withMessageContainingAll("\"withdrawn\", revision 1", Withdrawn.class.getName())
                .withCauseInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void a_value_that_the_codec_cannot_encode_is_told() {
        assertThatExceptionOfType(UnreadableEventException.class)
                .isThrownBy(() -> read(Upcaster.from("withdrawn", 1).fields(e -> {
                    e.put("cents", new Object());
                    return e;
                })))
                .withMessageContainingAll(
                        "\"withdrawn\", revision 1", "[account, cents]", "\"withdrawn\" revision 2", "Correct");
    }

    @Test
    void bytes_that_are_no_document_are_told() {
        for (var bytes : List.of("", "garbage", "[]", "null", "5")) {
            assertThatExceptionOfType(UnreadableEventException.class)
                    .as(bytes)
                    .isThrownBy(() -> BANK.decode(stored("deposited", 1, bytes), CODEC))
                    .withMessageContaining("\"deposited\", revision 1");
        }
    }

    private static Object read(Upcaster upcaster) {
        var catalog = Catalog.builder()
                .event("withdrawn", 2, Withdrawn.class)
                .upcast(upcaster)
                .build();
        return catalog.decode(stored("withdrawn", 1, "{'account':'47','cents':5,}"), CODEC)
                .get(0);
    }

    // ------------------------------------------------------------------------------------------------- the wiring

    @Test
    void every_fault_of_the_upcasters_is_listed_at_once() {
        var builder = Catalog.builder()
                .event("deposited", 3, Deposited.class)
                .event("withdrawn", 1, Withdrawn.class)
                .upcast(Upcaster.from("deposited", 2))
                .upcast(Upcaster.from("deposited", 2).drop())
                .upcast(Upcaster.from("withdrawn", 1))
                .upcast(Upcaster.from("withdrawn", 7).drop())
                .upcast(Upcaster.from("old", 2).to("nowhere", 1))
                .upcast(Upcaster.from("older", 1).to("deposited", 4))
                .upcast(Upcaster.from("one", 1).to("two", 1))
                .upcast(Upcaster.from("two", 1).into("withdrawn", 1, List::of).into("one", 1, List::of));

        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(builder::build)
                .satisfies(
                        e -> assertThat(e.faults())
                                .satisfiesExactly(
                                        f -> assertThat(f)
                                                .contains(
                                                        "two upcasters for \"deposited\" revision 2",
                                                        "drop()",
                                                        "Keep one"),
                                        f -> assertThat(f)
                                                .contains(
                                                        "Upcaster.from(\"withdrawn\", 1)",
                                                        "current revision is 1",
                                                        "Raise the revision"),
                                        f -> assertThat(f)
                                                .contains("Upcaster.from(\"withdrawn\", 7).drop()", "revision is 1"),
                                        f -> assertThat(f)
                                                .contains(
                                                        "becomes of \"deposited\" revision 1", "upcast(Upcaster.from("),
                                        f -> assertThat(f).contains("becomes of \"old\" revision 1", "say drop()"),
                                        f -> assertThat(f)
                                                .contains(
                                                        "leads to \"withdrawn\" revision 2",
                                                        "neither a class nor an upcaster",
                                                        "current revision of that name is 1"),
                                        f -> assertThat(f)
                                                .contains(
                                                        "leads to \"nowhere\" revision 1",
                                                        "event(\"nowhere\", 1, class)"),
                                        f -> assertThat(f)
                                                .contains(
                                                        "leads to \"deposited\" revision 4",
                                                        "current revision of that name is 3"),
                                        f -> assertThat(f)
                                                .contains(
                                                        "circle: \"one\" revision 1, then \"two\" revision 1, then the first")));
    }

    @Test
    void an_upcaster_that_leads_to_itself_is_a_circle() {
        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(() -> Catalog.builder()
                        .upcast(Upcaster.from("one", 1).to("one", 1))
                        .build())
                .withMessageContainingAll("1 fault", "circle: \"one\" revision 1, then the first again");
    }

    @Test
    void two_ways_to_the_same_revision_are_no_circle() {
        var catalog = Catalog.builder()
                .event("withdrawn", Withdrawn.class)
                .upcast(Upcaster.from("all", 1).into("left", 1, List::of).into("right", 1, List::of))
                .upcast(Upcaster.from("left", 1).to("withdrawn", 1))
                .upcast(Upcaster.from("right", 1).to("withdrawn", 1))
                .build();

        assertThat(catalog.decode(stored("all", 1, "{'account':'47','cents':5,}"), CODEC))
                .hasSize(2);
        assertThat(catalog.storedNames(Withdrawn.class)).containsExactly("all", "left", "right", "withdrawn");
    }

    @Test
    void an_upcaster_that_leads_back_to_an_earlier_revision_of_another_name_is_fine() {
        var catalog = Catalog.builder()
                .event("withdrawn", 2, Withdrawn.class)
                .upcast(Upcaster.from("withdrawn", 1).rename("sum", "cents"))
                .upcast(Upcaster.from("taken", 1))
                .upcast(Upcaster.from("taken", 2).to("withdrawn", 1))
                .build();

        assertThat(catalog.decode(stored("taken", 1, "{'account':'47','sum':5,}"), CODEC))
                .containsExactly(new Withdrawn("47", 5));
    }

    // --------------------------------------------------------------------------------------- an upcaster by itself

    @Test
    void each_call_gives_a_new_upcaster_and_leaves_the_old_one() {
        var first = Upcaster.from("deposited", 1);
        var second = first.rename("amount", "cents");

        second.withDefault("currency", "EUR");
        second.to("paid-in", 1);
        second.drop();

        assertThat(first).hasToString("Upcaster.from(\"deposited\", 1)");
        assertThat(second).hasToString("Upcaster.from(\"deposited\", 1).rename(\"amount\", \"cents\")");
        assertThat(second.remove("x").fields(e -> e).withDefault("y", "secret").to("paid-in", 3))
                .hasToString("Upcaster.from(\"deposited\", 1).rename(\"amount\", \"cents\").remove(\"x\").fields(...)"
                        + ".withDefault(\"y\", ...).to(\"paid-in\", 3)");
        assertThat(first.into("a", 1, List::of).into("b", 2, List::of))
                .hasToString("Upcaster.from(\"deposited\", 1).into(\"a\", 1, ...).into(\"b\", 2, ...)");
    }

    @Test
    void targets_are_given_once_and_after_the_operations() {
        var to = Upcaster.from("deposited", 1).to("paid-in", 1);
        var into = Upcaster.from("deposited", 1).into("paid-in", 1, List::of);
        var dropped = Upcaster.from("deposited", 1).drop();

        for (var upcaster : List.of(to, into, dropped)) {
            assertThatIllegalStateException()
                    .isThrownBy(() -> upcaster.to("other", 1))
                    .withMessageContaining(upcaster.toString());
            assertThatIllegalStateException().isThrownBy(upcaster::drop).withMessageContaining(upcaster.toString());
        }
        for (var upcaster : List.of(to, dropped)) {
            assertThatIllegalStateException().isThrownBy(() -> upcaster.into("other", 1, List::of));
        }
        for (var upcaster : List.of(into, dropped)) {
            assertThatIllegalStateException()
                    .isThrownBy(() -> upcaster.remove("x"))
                    .withMessageContaining("too late");
        }
        assertThat(to.remove("x")).hasToString("Upcaster.from(\"deposited\", 1).remove(\"x\").to(\"paid-in\", 1)");
    }

    @Test
    @SuppressWarnings("NullAway")
    void bad_arguments_are_refused_at_once() {
        var upcaster = Upcaster.from("deposited", 1);

        assertThatIllegalArgumentException().isThrownBy(() -> Upcaster.from(" ", 1));
        assertThatIllegalArgumentException().isThrownBy(() -> Upcaster.from("deposited", 0));
        assertThatIllegalArgumentException().isThrownBy(() -> upcaster.to("deposited", -1));
        assertThatIllegalArgumentException().isThrownBy(() -> upcaster.into("", 1, List::of));
        assertThatNullPointerException().isThrownBy(() -> Upcaster.from(null, 1));
        assertThatNullPointerException().isThrownBy(() -> upcaster.rename(null, "a"));
        assertThatNullPointerException().isThrownBy(() -> upcaster.rename("a", null));
        assertThatNullPointerException().isThrownBy(() -> upcaster.withDefault(null, 1));
        assertThatNullPointerException().isThrownBy(() -> upcaster.withDefault("a", null));
        assertThatNullPointerException().isThrownBy(() -> upcaster.remove(null));
        assertThatNullPointerException().isThrownBy(() -> upcaster.fields(null));
        assertThatNullPointerException().isThrownBy(() -> upcaster.to(null, 1));
        assertThatNullPointerException().isThrownBy(() -> upcaster.into("a", 1, null));
        assertThatNullPointerException()
                .isThrownBy(() -> Catalog.builder().upcast(null))
                .withMessage("upcaster");
        assertThatNullPointerException()
                .isThrownBy(() -> Catalog.builder().unknown(null))
                .withMessage("choice");
    }

    @Test
    void a_default_is_an_exact_value_of_a_document() {
        var upcaster = Upcaster.from("deposited", 1);
        for (var value : new Object[] {
            "EUR", true, 1, 2L, BigInteger.TEN, new BigDecimal("0.10"), List.of(1, "a"), Map.of("a", List.of(true))
        }) {
            assertThatCode(() -> upcaster.withDefault("rate", value)).doesNotThrowAnyException();
        }
        for (var value :
                new Object[] {0.1, 0.1f, new Object(), 'c', List.of(0.1), Map.of("a", Set.of()), Unknown.FAIL}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> upcaster.withDefault("rate", value))
                    .withMessageContainingAll("\"rate\"", "expected String, Boolean, Integer", "new BigDecimal");
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> upcaster.withDefault("rate", Map.of(1, 2)))
                .withMessageContainingAll("\"rate\"", "no string");
    }

    @Test
    void a_default_is_a_copy() {
        record Listed(List<String> names) {}
        var names = new ArrayList<>(Arrays.asList("a", null));
        var catalog = Catalog.builder()
                .event("listed", 2, Listed.class)
                .upcast(Upcaster.from("listed", 1).withDefault("names", names))
                .build();

        names.clear();

        assertThat(catalog.decode(stored("listed", 1, "{}"), CODEC))
                .containsExactly(new Listed(Arrays.asList("a", null)));
    }

    // ---------------------------------------------------------------------------------------------- any operations

    record Any(Map<String, Object> fields) {}

    /** Any chain of operations, cut into revisions anywhere, does what the operations do one by one, by hand. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void any_chain_of_operations_equals_applying_them_by_hand(long seed) {
        var random = new Random(seed);
        for (int run = 0; run < 250; run++) {
            var document = document(random, 3);
            var byHand = new HashMap<>(document);
            var upcasters = new ArrayList<Upcaster>();
            var upcaster = Upcaster.from("any", 1);
            for (int operations = random.nextInt(12); operations > 0; operations--) {
                upcaster = operate(upcaster, byHand, random);
                if (random.nextInt(3) == 0) {
                    upcasters.add(upcaster);
                    upcaster = Upcaster.from("any", upcasters.size() + 1);
                }
            }
            // the document becomes the one field of an event, so that it can be looked at
            upcasters.add(upcaster.fields(fields -> Map.of("fields", fields)));
            var builder = Catalog.builder().event("any", upcasters.size() + 1, Any.class);
            Collections.shuffle(upcasters, random);
            upcasters.forEach(builder::upcast);

            var read = builder.build().decode(new Stored("any", 1, CODEC.encode(document)), CODEC);

            assertThat(read).as("seed %d, run %d, %s", seed, run, upcasters).containsExactly(new Any(byHand));
        }
    }

    private static Upcaster operate(Upcaster upcaster, Map<String, Object> byHand, Random random) {
        var field = "f" + random.nextInt(8);
        var other = "f" + random.nextInt(8);
        switch (random.nextInt(4)) {
            case 0 -> {
                if (!byHand.containsKey(field) || byHand.containsKey(other)) {
                    return upcaster;
                }
                byHand.put(other, byHand.remove(field));
                return upcaster.rename(field, other);
            }
            case 1 -> {
                var value = random.nextBoolean() ? document(random, 2) : new BigDecimal("0.10");
                if (!byHand.containsKey(field)) {
                    byHand.put(field, value);
                }
                return upcaster.withDefault(field, value);
            }
            case 2 -> {
                byHand.remove(field);
                return upcaster.remove(field);
            }
            default -> {
                UnaryOperator<Map<String, Object>> join = fields -> {
                    fields.put(field, Arrays.asList(fields.remove(field), fields.remove(other)));
                    return fields;
                };
                var joined = join.apply(new HashMap<>(byHand));
                byHand.clear();
                byHand.putAll(joined);
                return upcaster.fields(join);
            }
        }
    }

    private static Map<String, Object> document(Random random, int depth) {
        var document = new LinkedHashMap<String, Object>();
        for (int i = random.nextInt(6); i > 0; i--) {
            document.put("f" + random.nextInt(8), value(random, depth - 1));
        }
        return document;
    }

    @SuppressWarnings("NullAway")
    private static Object value(Random random, int depth) {
        return switch (random.nextInt(depth > 0 ? 8 : 6)) {
            case 0 -> null;
            case 1 -> random.nextBoolean();
            case 2 -> random.nextInt();
            case 3 -> BigInteger.valueOf(random.nextLong()).shiftLeft(64).setBit(100);
            case 4 -> BigDecimal.valueOf(random.nextLong(), 3);
            case 5 -> "text " + random.nextInt();
            case 6 -> new ArrayList<>(Arrays.asList(value(random, depth - 1), value(random, depth - 1)));
            default -> document(random, depth);
        };
    }

    @Test
    void very_high_revisions_are_told_in_few_words() {
        var builder = Catalog.builder()
                .event("deposited", Integer.MAX_VALUE, Deposited.class)
                .upcast(Upcaster.from("deposited", 20_240_101).drop());

        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(builder::build)
                .satisfies(e -> assertThat(e.faults())
                        .hasSizeLessThan(50)
                        .anySatisfy(
                                f -> assertThat(f).contains("becomes of \"deposited\" revision 1 to revision 20240100"))
                        .anySatisfy(f -> assertThat(f)
                                .contains("becomes of \"deposited\" revision 20240102 to revision 2147483646")));
        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(() -> Catalog.builder()
                        .upcast(Upcaster.from("old", Integer.MAX_VALUE))
                        .build())
                .satisfies(e -> assertThat(e.faults())
                        .anySatisfy(f ->
                                assertThat(f).contains("Upcaster.from(\"old\", 2147483647)", "no revision behind it")));
    }
}
