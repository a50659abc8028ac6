package dev.cqrs.event;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.event.EventCodec.Stored;
import dev.cqrs.event.EventCodec.UnreadableEventException;
import dev.cqrs.message.CqrsException;
import dev.cqrs.message.WiringException;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Events to bytes and back, without a change of revision. */
class EventCodecTest {

    record Opened(String account, String owner) {}

    record Deposited(String account, int cents) {}

    private static final EventCodec CODEC = new PlainCodec();
    private static final Catalog BANK = Catalog.builder()
            .event("opened", Opened.class)
            .event("deposited", 2, Deposited.class, e -> Set.of(Tag.of("account", e.account())))
            .upcast(Upcaster.from("deposited", 1).drop())
            .build();

    @Test
    void an_event_is_stored_under_its_name_and_revision_and_comes_back_equal() {
        var event = new Deposited("47", 500);

        var stored = BANK.encode(event, CODEC);

        assertThat(stored).isEqualTo(new Stored("deposited", 2, "{\"account\":\"47\",\"cents\":500,}".getBytes(UTF_8)));
        assertThat(BANK.decode(stored, CODEC)).containsExactly(event);
    }

    @Test
    void an_event_of_the_current_revision_is_decoded_once_straight_to_its_class() {
        var asked = new java.util.ArrayList<Class<?>>();
        var codec = new Around(CODEC) {
            @Override
            public <T> T decode(byte[] payload, Class<T> type) {
                asked.add(type);
                return super.decode(payload, type);
            }
        };

        BANK.decode(BANK.encode(new Opened("47", "Ada"), CODEC), codec);

        assertThat(asked).containsExactly(Opened.class);
    }

    @Test
    void an_event_without_a_revision_of_its_own_has_revision_1() {
        assertThat(BANK.revisionOf(Opened.class)).isEqualTo(1);
        assertThat(BANK.revisionOf(Deposited.class)).isEqualTo(2);
        assertThat(BANK.tagsOf(new Deposited("47", 1))).containsExactly(Tag.of("account", "47"));
        assertThatExceptionOfType(UnknownEventException.class).isThrownBy(() -> BANK.revisionOf(String.class));
    }

    @Test
    void an_unknown_event_is_not_encoded() {
        assertThatExceptionOfType(UnknownEventException.class)
                .isThrownBy(() -> BANK.encode("text", CODEC))
                .withMessageContainingAll("java.lang.String", "[deposited, opened]");
    }

    @Test
    void what_a_codec_throws_on_encoding_reaches_the_caller_unchanged() {
        var boom = new IllegalStateException("boom");
        var codec = new Around(CODEC) {
            @Override
            public byte[] encode(Object value) {
                throw boom;
            }
        };

        assertThatExceptionOfType(IllegalStateException.class)
                .isThrownBy(() -> BANK.encode(new Opened("47", "Ada"), codec))
                .isSameAs(boom);
    }

    @Test
    @SuppressWarnings("NullAway")
    void a_codec_that_encodes_to_null_is_told_so() {
        var codec = new Around(CODEC) {
            @Override
            public byte[] encode(Object value) {
                return null;
            }
        };

        assertThatNullPointerException()
                .isThrownBy(() -> BANK.encode(new Opened("47", "Ada"), codec))
                .withMessageContainingAll(codec.getClass().getName(), "\"opened\" revision 1", "expected bytes");
    }

    @Test
    void bytes_that_are_no_such_event_are_refused_naming_it_and_telling_no_content() {
        for (var bytes : List.of("", "{", "{\"account\":\"secret\",}", "[]", "\"secret\"", "nonsense")) {
            var stored = new Stored("deposited", 2, bytes.getBytes(UTF_8));

            assertThatExceptionOfType(UnreadableEventException.class)
                    .as(bytes)
                    .isThrownBy(() -> BANK.decode(stored, CODEC))
                    .withMessageStartingWith("The stored event \"deposited\", revision 2, cannot be read: ")
                    .withMessageContainingAll(
                            "its " + bytes.length() + " bytes", Deposited.class.getName(), "raise its revision")
                    .satisfies(e -> assertThat(e.getMessage()).doesNotContain("secret"))
                    .isInstanceOf(CqrsException.class)
                    .satisfies(e -> assertThat(e.name()).isEqualTo("deposited"))
                    .satisfies(e -> assertThat(e.revision()).isEqualTo(2))
                    .withCauseInstanceOf(RuntimeException.class);
        }
        assertThat(BANK.decode(BANK.encode(new Deposited("47", 1), CODEC), CODEC))
                .hasSize(1);
    }

    @Test
    @SuppressWarnings({"NullAway", "unchecked"})
    void a_codec_that_gives_null_or_another_class_is_told_so() {
        for (var wrong : new Object[] {null, new Opened("47", "Ada")}) {
            var codec = new Around(CODEC) {
                @Override
                public <T> T decode(byte[] payload, Class<T> type) {
                    return (T) wrong;
                }
            };

            assertThatExceptionOfType(UnreadableEventException.class)
                    .isThrownBy(() -> BANK.decode(new Stored("deposited", 2, new byte[0]), codec))
                    .withMessageContainingAll(
                            codec.getClass().getName(),
                            wrong == null ? "as null" : "as " + Opened.class.getName(),
                            "expected " + Deposited.class.getName());
        }
    }

    @Test
    void a_class_that_is_not_there_is_a_fault_of_the_event() {
        var missing = new NoClassDefFoundError("gone");
        var codec = new Around(CODEC) {
            @Override
            public <T> T decode(byte[] payload, Class<T> type) {
                throw missing;
            }
        };

        assertThatExceptionOfType(UnreadableEventException.class)
                .isThrownBy(() -> BANK.decode(new Stored("deposited", 2, new byte[0]), codec))
                .withCause(missing);
    }

    @Test
    void what_no_signature_allows_is_a_fault_of_the_event_like_any_other_exception() {
        for (var thrown : List.of(new IOException("the key server is away"), new InterruptedException())) {
            var decoding = new Around(CODEC) {
                @Override
                public <T> T decode(byte[] payload, Class<T> type) {
                    throw sneak(thrown);
                }
            };
            var encoding = new Around(CODEC) {
                @Override
                public byte[] encode(Object value) {
                    throw sneak(thrown);
                }
            };
            var good = Upcaster.from("deposited", 1).fields(fields -> fields);
            isUnreadable(good, decoding, thrown);
            isUnreadable(good, encoding, thrown);
            isUnreadable(
                    Upcaster.from("deposited", 1).fields(fields -> {
                        throw sneak(thrown);
                    }),
                    CODEC,
                    thrown);
            isUnreadable(
                    Upcaster.from("deposited", 1).into("deposited", 2, fields -> {
                        throw sneak(thrown);
                    }),
                    CODEC,
                    thrown);
        }
    }

    private static void isUnreadable(Upcaster upcaster, EventCodec codec, Throwable thrown) {
        var catalog = Catalog.builder()
                .event("deposited", 2, Deposited.class)
                .upcast(upcaster)
                .build();
        var stored = new Stored("deposited", 1, CODEC.encode(new Deposited("47", 1)));

        assertThatExceptionOfType(UnreadableEventException.class)
                .isThrownBy(() -> catalog.decode(stored, Position.of(7), codec))
                .withMessageContaining("position 7")
                .withCause(thrown);
        assertThat(Thread.interrupted())
                .as("whether an interrupt is still there")
                .isEqualTo(thrown instanceof InterruptedException);
    }

    /** As a language without checked exceptions throws them. */
    @SuppressWarnings("unchecked")
    private static <X extends Throwable> RuntimeException sneak(Throwable thrown) throws X {
        throw (X) thrown;
    }

    @Test
    void an_error_of_the_virtual_machine_is_not_taken_for_a_fault_of_the_event() {
        var codec = new Around(CODEC) {
            @Override
            public <T> T decode(byte[] payload, Class<T> type) {
                throw new StackOverflowError();
            }
        };

        assertThatExceptionOfType(StackOverflowError.class)
                .isThrownBy(() -> BANK.decode(new Stored("deposited", 2, new byte[0]), codec));
    }

    @Test
    void a_stored_event_is_a_value_that_tells_the_size_of_its_payload_only() {
        var bytes = new byte[] {1, 2, 3};
        var stored = new Stored("deposited", 2, bytes);
        bytes[0] = 9;
        stored.payload()[1] = 9;

        assertThat(stored.payload()).containsExactly(1, 2, 3);
        assertThat(stored)
                .isEqualTo(new Stored("deposited", 2, new byte[] {1, 2, 3}))
                .hasSameHashCodeAs(new Stored("deposited", 2, new byte[] {1, 2, 3}))
                .isNotEqualTo(new Stored("deposited", 2, new byte[] {1, 2, 4}))
                .isNotEqualTo(new Stored("deposited", 1, new byte[] {1, 2, 3}))
                .isNotEqualTo(new Stored("opened", 2, new byte[] {1, 2, 3}))
                .isNotEqualTo("deposited")
                .doesNotHaveSameHashCodeAs(new Stored("deposited", 2, new byte[] {1, 2, 4}))
                .doesNotHaveSameHashCodeAs(new Stored("opened", 2, new byte[] {1, 2, 3}))
                .hasToString("Stored[name=deposited, revision=2, payload=3 bytes]");
    }

    @Test
    @SuppressWarnings("NullAway")
    void a_stored_event_has_a_name_a_revision_and_a_payload() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Stored(" ", 1, new byte[0]))
                .withMessageContainingAll("blank", "such as");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Stored("deposited", 0, new byte[0]))
                .withMessageContainingAll("\"deposited\"", "is 0", "expected 1");
        assertThatNullPointerException().isThrownBy(() -> new Stored(null, 1, new byte[0]));
        assertThatNullPointerException().isThrownBy(() -> new Stored("deposited", 1, null));
    }

    @Test
    void an_event_of_revision_0_is_a_fault_of_the_wiring() {
        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(
                        () -> Catalog.builder().event("opened", 0, Opened.class).build())
                .withMessageContainingAll("1 fault", Opened.class.getName(), "is 0", "expected 1");
    }

    @Test
    void the_codec_of_these_tests_keeps_documents() {
        var document = Map.of(
                "text",
                "a \"b\" \\ c, ü",
                "list",
                List.of(1, true, Map.of()),
                "number",
                new java.math.BigDecimal("1.10"));

        assertThat((Object) CODEC.decode(CODEC.encode(document), Map.class)).isEqualTo(document);
    }

    /** A codec around another, to be changed by tests. */
    static class Around implements EventCodec {

        private final EventCodec inner;

        Around(EventCodec inner) {
            this.inner = inner;
        }

        @Override
        public byte[] encode(Object value) {
            return inner.encode(value);
        }

        @Override
        public <T> T decode(byte[] payload, Class<T> type) {
            return inner.decode(payload, type);
        }
    }
}
