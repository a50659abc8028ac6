package dev.cqrs.examples.privacy;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.cqrs.examples.privacy.Club.FeePaid;
import dev.cqrs.examples.privacy.Club.Forgotten;
import dev.cqrs.examples.privacy.Club.Joined;
import dev.cqrs.examples.privacy.Club.Row;
import java.security.SecureRandom;
import java.util.List;
import java.util.Map;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Who asks to be forgotten, what is gone, and what remains. */
class ClubTest {

    private static final String ADA = "Ada Lovelace";
    private static final String ADDRESS = "ada@example.org";
    private static final String BOB = "Bob Babbage";

    /** None as short as her first name: by chance, Base64 brings forth three letters in one run of some three hundred. */
    private static final String[] OF_ADA = {"Lovelace", ADDRESS};

    private final SecureRandom random = new SecureRandom();
    private final PersonalKeys keys = new InMemoryPersonalKeys(random);
    private final Club club = new Club(keys, hash(), random);

    private KeyedHash hash() {
        var key = new byte[32];
        random.nextBytes(key);
        return new KeyedHash(new SecretKeySpec(key, "HmacSHA256"));
    }

    @BeforeEach
    void ada_and_bob_have_joined_and_paid() {
        club.join("m1", ADA, ADDRESS);
        club.join("m2", BOB, "bob@example.org");
        club.pay("m1", 3_000);
        club.pay("m2", 2_500);
        club.pay("m1", 4_000);
    }

    // ---- before

    @Test
    void nothing_personal_can_be_seen_in_the_log_and_the_club_reads_all_of_it() {
        assertThat(atRest(club.backup()))
                .contains("fee-paid", "3000")
                .doesNotContain(OF_ADA)
                .doesNotContain("Babbage", "example.org");
        assertThat(club.eventsOf("m1"))
                .containsExactly(new Joined("m1", ADA, ADDRESS), new FeePaid("m1", 3_000), new FeePaid("m1", 4_000));
        assertThat(club.view(Club.ROLL)).isEqualTo(Map.of("m1", ADA, "m2", BOB));
    }

    @Test
    void tags_are_found_by_value_and_tell_nothing() {
        assertThat(club.backup().get(0).tags())
                .hasSize(2)
                .allSatisfy(tag -> assertThat(tag.value()).matches("[0-9a-f]{64}"));
        assertThatIllegalStateException().isThrownBy(() -> club.join("m3", "Another Ada", "ADA@example.org"));
    }

    // ---- who asks: member m1, by request 17

    @Test
    void what_is_gone_are_name_and_address_of_the_one_who_asked() {
        club.forget("m1", "request 17");

        assertThat(club.eventsOf("m1").get(0)).isEqualTo(new Joined("m1", "[forgotten]", "[forgotten]"));
        assertThat(club.view(Club.ROLL)).isEqualTo(Map.of("m2", BOB));
    }

    @Test
    void they_are_gone_from_every_earlier_copy_of_the_log_as_well() {
        var backup = club.backup();

        club.forget("m1", "request 17");

        assertThat(atRest(backup)).doesNotContain(OF_ADA);
        assertThat(club.view(backup, Club.ROLL)).isEqualTo(Map.of("m1", "[forgotten]", "m2", BOB));
    }

    @Test
    void what_remains_are_the_books_the_other_members_and_that_somebody_was_forgotten() {
        long income = club.view(Club.INCOME);

        club.forget("m1", "request 17");

        assertThat(club.view(Club.INCOME)).isEqualTo(income).isEqualTo(9_500);
        assertThat(club.eventsOf("m1"))
                .endsWith(new FeePaid("m1", 3_000), new FeePaid("m1", 4_000), new Forgotten("m1", "request 17"));
        assertThat(club.eventsOf("m2").get(0)).isEqualTo(new Joined("m2", BOB, "bob@example.org"));
    }

    @Test
    void the_log_itself_was_not_changed() {
        var before = club.backup();

        club.forget("m1", "request 17");

        assertThat(club.backup().subList(0, before.size())).isEqualTo(before);
    }

    @Test
    void who_holds_the_key_of_the_tags_can_still_tell_that_an_address_was_used() {
        club.forget("m1", "request 17");

        assertThatIllegalStateException().isThrownBy(() -> club.join("m4", ADA, ADDRESS));
    }

    @Test
    void to_forget_again_or_somebody_unknown_does_no_harm() {
        club.forget("m1", "request 17");
        club.forget("m1", "request 17");
        club.forget("nobody", "request 18");

        assertThat(club.view(Club.ROLL)).isEqualTo(Map.of("m2", BOB));
    }

    @Test
    void one_who_was_forgotten_and_comes_back_has_a_new_key_and_the_old_events_stay_shut() {
        club.forget("m1", "request 17");
        club.join("m1", "Ada King", "king@example.org");

        assertThat(club.eventsOf("m1"))
                .startsWith(new Joined("m1", "[forgotten]", "[forgotten]"))
                .endsWith(new Joined("m1", "Ada King", "king@example.org"));
    }

    /** All that a row shows: name, tags, bytes. */
    private static String atRest(List<Row> rows) {
        var text = new StringBuilder();
        rows.forEach(row -> text.append(row)
                .append(row.tags())
                .append(new String(row.stored().payload(), ISO_8859_1)));
        return text.toString();
    }
}
