package dev.cqrs.examples.privacy;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.EventCodec.Stored;
import dev.cqrs.event.EventCodec.UnreadableEventException;
import dev.cqrs.event.Upcaster;
import dev.cqrs.examples.privacy.ShreddingCodec.Personal;
import dev.cqrs.jdbc.JacksonEventCodec;
import java.math.BigDecimal;
import java.security.SecureRandom;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import javax.crypto.AEADBadTagException;
import javax.crypto.SecretKey;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ShreddingCodecTest {

    record Examined(String patient, BigDecimal weight, List<String> findings, String room) {}

    /** As it was at revision 1. */
    record Weighed(String patient, BigDecimal mass) {}

    private static final Examined EXAMINED =
            new Examined("p1", new BigDecimal("71.50"), List.of("secret", "private"), "room 3");

    private final SecureRandom random = new SecureRandom();
    private final PersonalKeys keys = new InMemoryPersonalKeys(random);
    private final ShreddingCodec codec = codec(List.of(
            new Personal<>(Examined.class, Examined::patient, Map.of("weight", 0, "findings", List.of("[forgotten]"))),
            new Personal<>(Weighed.class, Weighed::patient, Map.of("mass", 0))));

    private ShreddingCodec codec(List<Personal<?>> personal) {
        return new ShreddingCodec(new JacksonEventCodec(), keys, random, personal);
    }

    @Test
    void fields_of_any_kind_are_read_as_they_were_until_the_person_is_forgotten() {
        var bytes = codec.encode(EXAMINED);

        assertThat(new String(bytes, UTF_8)).contains("room 3", "[forgotten]").doesNotContain("secret", "71.5");
        assertThat(codec.decode(bytes, Examined.class)).isEqualTo(EXAMINED);

        keys.forget("p1");

        assertThat(codec.decode(bytes, Examined.class))
                .isEqualTo(new Examined("p1", BigDecimal.ZERO, List.of("[forgotten]"), "room 3"));
    }

    @Test
    @SuppressWarnings("NullAway")
    void a_field_that_is_null_comes_back_as_null() {
        var event = new Examined("p1", BigDecimal.ONE, null, "room 3");

        assertThat(codec.decode(codec.encode(event), Examined.class)).isEqualTo(event);
    }

    @Test
    void the_same_value_is_never_the_same_bytes() {
        var seen = new HashSet<String>();
        for (int i = 0; i < 100; i++) {
            seen.add(new String(codec.encode(EXAMINED), UTF_8));
        }

        assertThat(seen).hasSize(100);
    }

    @Test
    void upcasters_work_on_plain_fields_of_earlier_revisions_and_on_what_is_left_of_them() {
        var then = Catalog.builder().event("examined", Weighed.class).build();
        var today = Catalog.builder()
                .event("examined", 2, Examined.class)
                .upcast(Upcaster.from("examined", 1)
                        .rename("mass", "weight")
                        .withDefault("findings", List.of())
                        .withDefault("room", "unknown"))
                .build();
        var stored = then.encode(new Weighed("p1", new BigDecimal("71.50")), codec);

        assertThat(today.decode(stored, codec))
                .containsExactly(new Examined("p1", new BigDecimal("71.50"), List.of(), "unknown"));

        keys.forget("p1");

        assertThat(today.decode(stored, codec))
                .containsExactly(new Examined("p1", BigDecimal.ZERO, List.of(), "unknown"));
    }

    @Test
    void persons_have_keys_of_their_own() {
        var other = new Examined("p2", BigDecimal.TEN, List.of(), "room 4");
        var bytes = codec.encode(other);
        codec.encode(EXAMINED);

        keys.forget("p1");

        assertThat(codec.decode(bytes, Examined.class)).isEqualTo(other);
    }

    @ParameterizedTest
    @ValueSource(strings = {"changed", "swapped", "cut", "no Base64"})
    void a_value_that_was_tampered_with_is_refused_naming_event_and_field(String how) {
        var catalog = Catalog.builder().event("examined", Examined.class).build();
        var plain = new JacksonEventCodec();
        @SuppressWarnings("unchecked")
        Map<String, Map<String, Object>> fields = plain.decode(codec.encode(EXAMINED), Map.class);
        var weight = Objects.requireNonNull(fields.get("weight"));
        var sealed = (String) Objects.requireNonNull(weight.get("@sealed"));
        switch (how) {
            case "changed" -> weight.put("@sealed", (sealed.startsWith("A") ? "B" : "A") + sealed.substring(1));
            case "swapped" -> weight.putAll(Objects.requireNonNull(fields.get("findings")));
            case "cut" -> weight.put("@sealed", "AAAA");
            default -> weight.put("@sealed", "%%");
        }

        assertThatExceptionOfType(UnreadableEventException.class)
                .isThrownBy(() -> catalog.decode(new Stored("examined", 1, plain.encode(fields)), codec))
                .withMessageContaining("\"examined\", revision 1")
                .havingCause()
                .withMessageContainingAll("\"weight\"", "cannot be decrypted");
    }

    @Test
    void the_key_store_of_somebody_else_does_not_open_it() {
        var bytes = codec.encode(EXAMINED);
        var other = new InMemoryPersonalKeys(random).keyOf("p1").secret();
        var thief = new ShreddingCodec(
                new JacksonEventCodec(),
                new PersonalKeys() {
                    @Override
                    public Key keyOf(String person) {
                        return new Key("k", other);
                    }

                    @Override
                    public Optional<SecretKey> find(String id) {
                        return Optional.of(other);
                    }

                    @Override
                    public void forget(String person) {}
                },
                random,
                List.of());

        assertThatIllegalStateException()
                .isThrownBy(() -> thief.decode(bytes, Examined.class))
                .withCauseInstanceOf(AEADBadTagException.class);
    }

    @Test
    void a_personal_field_that_the_class_does_not_have_is_refused_before_anything_is_written_in_clear() {
        var wrong = codec(List.of(new Personal<>(Examined.class, Examined::patient, Map.of("wieght", 0))));

        assertThatIllegalStateException()
                .isThrownBy(() -> wrong.encode(EXAMINED))
                .withMessageContainingAll("\"wieght\"", Examined.class.getName(), "weight", "renamed");
    }
}
