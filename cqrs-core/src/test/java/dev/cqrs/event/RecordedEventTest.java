package dev.cqrs.event;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.message.Metadata;
import java.time.Instant;
import java.util.Collections;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** An event as the log holds it. */
class RecordedEventTest {

    record Deposited(int amount) {}

    static final Position POSITION = Position.of(7);
    static final Deposited EVENT = new Deposited(100);
    static final Set<Tag> TAGS = Set.of(Tag.of("account", "4711"));
    static final Metadata METADATA = Metadata.withId("m1");
    static final Instant TIME = Instant.parse("2026-11-01T10:15:30Z");

    static RecordedEvent recorded() {
        return new RecordedEvent(POSITION, "deposited", EVENT, TAGS, METADATA, TIME);
    }

    @Test
    void a_recorded_event_holds_what_it_was_given() {
        var recorded = recorded();

        assertThat(recorded.position()).isEqualTo(POSITION);
        assertThat(recorded.name()).isEqualTo("deposited");
        assertThat(recorded.event()).isSameAs(EVENT);
        assertThat(recorded.tags()).isEqualTo(TAGS);
        assertThat(recorded.metadata()).isEqualTo(METADATA);
        assertThat(recorded.recordedAt()).isEqualTo(TIME);
        assertThat(recorded).isEqualTo(recorded()).hasSameHashCodeAs(recorded());
    }

    @Test
    void the_tags_are_copied() {
        var tags = new HashSet<>(TAGS);
        var recorded = new RecordedEvent(POSITION, "deposited", EVENT, tags, METADATA, TIME);

        tags.add(Tag.of("account", "4712"));

        assertThat(recorded.tags()).containsExactly(Tag.of("account", "4711"));
    }

    @Test
    void the_tags_cannot_be_changed() {
        var recorded = new RecordedEvent(POSITION, "deposited", EVENT, new HashSet<>(TAGS), METADATA, TIME);

        assertThatThrownBy(() -> recorded.tags().clear()).isInstanceOf(UnsupportedOperationException.class);
        assertThat(recorded.tags()).isEqualTo(TAGS);
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused_naming_the_part() {
        assertThatNullPointerException()
                .isThrownBy(() -> new RecordedEvent(null, "deposited", EVENT, TAGS, METADATA, TIME))
                .withMessageContaining("position");
        assertThatNullPointerException()
                .isThrownBy(() -> new RecordedEvent(POSITION, null, EVENT, TAGS, METADATA, TIME))
                .withMessageContaining("name");
        assertThatNullPointerException()
                .isThrownBy(() -> new RecordedEvent(POSITION, "deposited", null, TAGS, METADATA, TIME))
                .withMessageContaining("event");
        assertThatNullPointerException()
                .isThrownBy(() -> new RecordedEvent(POSITION, "deposited", EVENT, TAGS, null, TIME))
                .withMessageContaining("metadata");
        assertThatNullPointerException()
                .isThrownBy(() -> new RecordedEvent(POSITION, "deposited", EVENT, TAGS, METADATA, null))
                .withMessageContaining("recordedAt");
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused_as_the_tags_and_among_them() {
        assertThatNullPointerException()
                .isThrownBy(() -> new RecordedEvent(POSITION, "deposited", EVENT, null, METADATA, TIME));
        assertThatNullPointerException()
                .isThrownBy(() -> new RecordedEvent(
                        POSITION, "deposited", EVENT, Collections.singleton((Tag) null), METADATA, TIME));
    }
}
