package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.sql.DataSource;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Texts that PostgreSQL cannot keep are refused before it is asked; all others come back as they were, and do nothing. */
class HostileInputTest {

    record Said(String text, Map<String, String> more) {}

    /** The same without a tag, as tags check themselves. */
    record Noted(String text, Map<String, String> more) {}

    private static final Catalog CATALOG = Catalog.builder()
            .event("o'said\"; drop table cqrs_event; --", Said.class, e -> Set.of(Tag.of("text", e.text())))
            .event("noted", Noted.class)
            .build();

    private static final String[] NASTY = {
        "'; drop table cqrs_event; --",
        "\"; select pg_sleep(10); --",
        "$$ ${prefix} $1 ? :name {fn now()} {ts '2020'}",
        "\\",
        "\\\\'",
        "\\u0000",
        "\\000",
        "E'\\x'",
        "a\tb\r\nc",
        "{}",
        "{\"a\",NULL}",
        "NULL",
        "null",
        "a:b:c",
        ",",
        "\"\"",
        "%s %_ LIKE",
        "/* -- */",
        "\u0001\u001f\u007f\u0080\u2028\u2029\ufeff\ufffd\uffff",
        "e\u0301 \u00e9",
        "\uD83D\uDE00",
        "\u202etxt",
        "  leading and trailing  "
    };

    private final DataSource database = Postgres.database();

    @BeforeEach
    void apply_the_schema() {
        JdbcSchema.of().apply(database);
    }

    private JdbcEventStore store(JdbcEventStore.Payload payload) {
        return JdbcEventStore.builder(database, CATALOG, Clock.systemUTC())
                .payload(payload)
                .build();
    }

    record Measured(BigDecimal amount, String text) {}

    @ParameterizedTest
    @EnumSource
    void a_number_or_text_of_any_length_that_is_kept_comes_back(JdbcEventStore.Payload payload) {
        var store = JdbcEventStore.builder(
                        database,
                        Catalog.builder().event("measured", Measured.class).build(),
                        Clock.systemUTC())
                .payload(payload)
                .build();
        for (var number : List.of("1e-2000", "1e-16000", "-1e20000", "1".repeat(3_000), "0." + "1".repeat(3_000))) {
            var event = new Measured(new BigDecimal(number), "");
            store.append(List.of(event), AppendCondition.none());

            try (var events = store.read(EventQuery.all(), ReadOptions.backwards())) {
                assertThat(events.advance()).isTrue();
                assertThat(((Measured) events.event()).amount()).isEqualByComparingTo(event.amount());
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void every_other_text_comes_back_and_is_found_and_guarded_by_its_tag(JdbcEventStore.Payload payload) {
        var store = store(payload);
        for (var text : NASTY) {
            var tag = Tag.of("text", text);
            var event = new Said(text, Map.of(text, text));
            var metadata = Metadata.withId(text).with(text, text);

            store.append(List.of(event), AppendCondition.absent(EventQuery.tagged(tag)), metadata);

            try (var events = store.read(EventQuery.tagged(tag))) {
                var found = events.toList();
                assertThat(found).as(text).hasSize(1);
                assertThat(found.get(0).event()).isEqualTo(event);
                assertThat(found.get(0).tags()).containsExactly(tag);
                assertThat(found.get(0).metadata()).isEqualTo(metadata);
            }
            assertThatThrownBy(() -> store.append(List.of(event), AppendCondition.absent(EventQuery.tagged(tag))))
                    .isInstanceOf(AppendConflictException.class);
        }
        assertThat(store.head()).isEqualTo(Position.of(NASTY.length));
    }

    @ParameterizedTest
    @ValueSource(strings = {"\0", "a\0b", "\uD83D", "\uDE00", "a\uD83Db", "\uDE00\uD83D", "\uD83D\uD83D\uDE00"})
    void what_cannot_be_kept_is_refused_and_nothing_is_written(String text) {
        for (var payload : JdbcEventStore.Payload.values()) {
            var store = store(payload);
            var fine = new Said("fine", Map.of());

            // in a tag; in the payload, as value, within, and as key; in the metadata, as value and as key
            assertThatThrownBy(() -> store.append(List.of(fine, new Said(text, Map.of())), AppendCondition.none()))
                    .isInstanceOf(IllegalArgumentException.class);
            if (payload == JdbcEventStore.Payload.JSONB) {
                for (var bad : List.of(
                        new Noted(text, Map.of()),
                        new Noted("a", Map.of("key", text)),
                        new Noted("a", Map.of(text, "value")))) {
                    assertThatThrownBy(() -> store.append(List.of(fine, bad), AppendCondition.none()))
                            .as("%s", payload)
                            .isInstanceOf(RuntimeException.class)
                            .isNotInstanceOf(DatabaseException.class);
                }
            }
            for (var metadata : List.of(Metadata.withId(text), Metadata.of(Map.of(text, "value")))) {
                assertThatThrownBy(() -> store.append(List.of(fine), AppendCondition.none(), metadata))
                        .isInstanceOf(IllegalArgumentException.class);
            }
            assertThat(store.head()).isEqualTo(Position.START);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"\0", "a\0b", "\uD83D", "\uDE00", "a\uD83Db", "\uDE00\uD83D", "\uD83D\uD83D\uDE00"})
    void as_bytes_a_payload_comes_back_or_is_refused(String text) {
        var store = store(JdbcEventStore.Payload.BYTEA);
        var event = new Noted(text, Map.of("key", text));

        store.append(List.of(event), AppendCondition.none());

        try (var events = store.read(EventQuery.all())) {
            assertThat(events.toList())
                    .singleElement()
                    .satisfies(found -> assertThat(found.event()).isEqualTo(event));
        }
        // but half a character as a key could not be read
        if (text.indexOf('\0') < 0) {
            assertThatThrownBy(() ->
                            store.append(List.of(new Noted("a", Map.of(text, "value"))), AppendCondition.none()))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void an_escaped_nul_or_half_a_character_in_json_is_refused_too() {
        for (var json : List.of(
                "{\"a\":\"\\u0000\"}", "{\"\\ud83d\":1}", "{\"a\":\"\\ude00\\ud83d\"}", "{\"a\":\"\\\\\\u0000\"}")) {
            var store = JdbcEventStore.builder(database, CATALOG, Clock.systemUTC())
                    .codec(always(json.getBytes(StandardCharsets.UTF_8)))
                    .build();
            assertThatThrownBy(() -> store.append(List.of(new Said("a", Map.of())), AppendCondition.none()))
                    .as(json)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("BYTEA");
        }
        // a backslash before it makes it a text about NUL
        JdbcEventStore.builder(database, CATALOG, Clock.systemUTC())
                .codec(always("{\"a\":\"\\\\u0000\"}".getBytes(StandardCharsets.UTF_8)))
                .build()
                .append(List.of(new Said("a", Map.of())), AppendCondition.none());
    }

    @Test
    void a_number_that_jsonb_cannot_keep_is_refused_as_such_also_within_a_transaction() throws SQLException {
        var catalog = Catalog.builder().event("measured", Measured.class).build();
        var tiny = List.of(new Measured(new BigDecimal("1E-16384"), ""));
        var store = JdbcEventStore.builder(database, catalog, Clock.systemUTC()).build();

        assertThatThrownBy(() -> store.append(tiny, AppendCondition.none()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"measured\"")
                .hasMessageContaining("BYTEA");
        try (var connection = database.getConnection()) {
            connection.setAutoCommit(false);
            assertThatThrownBy(() -> store.within(connection).append(tiny, AppendCondition.none()))
                    .isInstanceOf(IllegalArgumentException.class);
            connection.rollback();
        }
        assertThat(store.head()).isEqualTo(Position.START);
    }

    @Test
    void what_is_no_json_is_the_databases_to_refuse_and_the_next_append_is_fine() {
        var store = JdbcEventStore.builder(database, CATALOG, Clock.systemUTC())
                .codec(always("no json".getBytes(StandardCharsets.UTF_8)))
                .build();

        assertThatThrownBy(() -> store.append(List.of(new Said("a", Map.of())), AppendCondition.none()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("nothing was written");

        store(JdbcEventStore.Payload.JSONB).append(List.of(new Said("a", Map.of())), AppendCondition.none());
        assertThat(store.head()).isEqualTo(Position.of(1));
    }

    @Test
    void a_tag_longer_than_an_index_entry_may_be_is_a_tag() {
        var store = store(JdbcEventStore.Payload.JSONB);
        var longer = "\u20ac".repeat(Tag.MAX_LENGTH - 1);

        store.append(List.of(new Said(longer, Map.of()), new Said(longer + "x", Map.of())), AppendCondition.none());

        try (var events = store.read(EventQuery.tagged(Tag.of("text", longer)))) {
            assertThat(events.toList()).hasSize(1);
        }
    }

    /** Its only property cannot be told. */
    static final class Broken {
        private final boolean broken = true;

        public String getText() {
            if (broken) {
                throw new IllegalStateException("broken");
            }
            return "whole";
        }
    }

    @ParameterizedTest
    @EnumSource
    void an_event_that_cannot_be_encoded_in_the_middle_of_a_batch_leaves_nothing_of_it(JdbcEventStore.Payload payload) {
        var catalog = Catalog.builder()
                .event("noted", Noted.class)
                .event("broken", Broken.class)
                .build();
        var store = JdbcEventStore.builder(database, catalog, Clock.systemUTC())
                .payload(payload)
                .build();
        var fine = new Noted("fine", Map.of());

        assertThatThrownBy(() -> store.append(List.of(fine, new Broken(), fine), AppendCondition.none()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Broken")
                .hasRootCauseMessage("broken");

        assertThat(store.head()).isEqualTo(Position.START);
        assertThat(store.append(List.of(fine), AppendCondition.none()).last()).isEqualTo(Position.of(1));
    }

    @ParameterizedTest
    @EnumSource
    void a_payload_of_64_mebibytes_comes_back(JdbcEventStore.Payload payload) {
        var store = store(payload);
        var event = new Noted("x".repeat(64 << 20), Map.of());

        store.append(List.of(event), AppendCondition.none());

        try (var events = store.read(EventQuery.all())) {
            assertThat(events.advance()).isTrue();
            assertThat(events.event().equals(event)).isTrue();
        }
        store.append(List.of(new Noted("a", Map.of())), AppendCondition.none());
        assertThat(store.head()).isEqualTo(Position.of(2));
    }

    private static EventCodec always(byte[] bytes) {
        return new EventCodec() {
            @Override
            public byte[] encode(Object value) {
                return bytes;
            }

            @Override
            public <T> T decode(byte[] payload, Class<T> type) {
                throw new UnsupportedOperationException();
            }
        };
    }

    @Test
    void metadata_with_a_name_of_any_length_comes_back() {
        var store = store(JdbcEventStore.Payload.JSONB);
        var metadata = Metadata.of(Map.of("k".repeat(60_000), "v"));
        store.append(List.of(new Noted("a", Map.of())), AppendCondition.none(), metadata);

        try (var events = store.read(EventQuery.all())) {
            assertThat(events.advance()).isTrue();
            assertThat(events.metadata()).isEqualTo(metadata);
        }
    }
}
