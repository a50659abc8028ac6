package dev.cqrs.inmemory;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Tag;
import org.junit.jupiter.api.Test;

class PostingTest {

    private final Posting branch = Posting.ofTag(Tag.of("branch", "north"));
    private final Posting one = Posting.ofTag(Tag.of("account", "1"));
    private final Posting other = Posting.ofTag(Tag.of("account", "2"));

    @Test
    void events_of_an_entity_hold_their_tags_once_whichever_of_them_a_set_gives_first() {
        var entityFirst = Posting.shared(new Posting[] {one, branch});
        Posting.shared(new Posting[] {other, branch});
        assertThat(Posting.shared(new Posting[] {one, branch})).isSameAs(entityFirst);

        var entityLast = Posting.shared(new Posting[] {branch, one});
        Posting.shared(new Posting[] {branch, other});
        assertThat(Posting.shared(new Posting[] {branch, one})).isSameAs(entityLast);
    }

    @Test
    void events_with_other_tags_hold_their_own() {
        Posting.shared(new Posting[] {one, branch});

        assertThat(Posting.shared(new Posting[] {other, branch})).containsExactly(other, branch);
        assertThat(Posting.shared(new Posting[] {one})).containsExactly(one);
        assertThat(Posting.shared(new Posting[] {one, other})).containsExactly(one, other);
        assertThat(Posting.shared(new Posting[] {one, branch, other})).containsExactly(one, branch, other);
        assertThat(Posting.shared(new Posting[] {})).isEmpty();
    }
}
