package dev.cqrs.eventstore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.Timeline.Difference;
import dev.cqrs.eventstore.Timeline.Moment;
import dev.cqrs.eventstore.Timeline.Page;
import dev.cqrs.eventstore.Timeline.Step;
import dev.cqrs.message.Metadata;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;

/** The values of a timeline; what it reads is tested beside a store. */
class TimelineTest {

    private static final RecordedEvent RECORDED =
            new RecordedEvent(Position.of(1), "said", "hello", Set.of(), Metadata.none(), Instant.EPOCH);

    @Test
    void moments_told_by_a_clock_or_by_counting_are_values() {
        assertThat(Moment.now()).isEqualTo(Moment.now());
        assertThat(Moment.at(Position.of(3))).isEqualTo(new Moment.AtPosition(Position.of(3)));
        assertThat(Moment.at(Instant.EPOCH)).isEqualTo(new Moment.AtInstant(Instant.EPOCH));
        assertThat(Moment.afterEvents(3)).isEqualTo(new Moment.AfterEvents(3)).isNotEqualTo(Moment.afterEvents(4));
    }

    @Test
    void moments_say_what_they_are() {
        assertThat(List.of(
                        Moment.now(),
                        Moment.at(Position.of(3)),
                        Moment.at(Instant.EPOCH),
                        Moment.afterEvents(1),
                        Moment.afterEvents(2),
                        Moment.first(String.class),
                        Moment.before(String.class),
                        Moment.first(e -> true),
                        Moment.before(e -> true),
                        Moment.once(state -> true)))
                .extracting(Object::toString)
                .containsExactly(
                        "now",
                        "position 3",
                        "1970-01-01T00:00:00Z",
                        "after 1 event",
                        "after 2 events",
                        "first String",
                        "before the first String",
                        "first event that the predicate finds",
                        "before the first event that the predicate finds",
                        "first state that the predicate finds");
    }

    @Test
    void fewer_than_no_events_are_refused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Moment.afterEvents(-1))
                .withMessage("The moment after -1 events; expected 0 or more of them.");
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused() {
        assertThatNullPointerException().isThrownBy(() -> Moment.at((Position) null));
        assertThatNullPointerException().isThrownBy(() -> Moment.at((Instant) null));
        assertThatNullPointerException().isThrownBy(() -> Moment.first((Class<?>) null));
        assertThatNullPointerException().isThrownBy(() -> Moment.first((Predicate<RecordedEvent>) null));
        assertThatNullPointerException().isThrownBy(() -> Moment.before((Class<?>) null));
        assertThatNullPointerException().isThrownBy(() -> Moment.before((Predicate<RecordedEvent>) null));
        assertThatNullPointerException().isThrownBy(() -> Moment.once(null));
        assertThatNullPointerException().isThrownBy(() -> new Step<>(null, 1));
        assertThatNullPointerException().isThrownBy(() -> new Step<>(RECORDED, null));
        assertThatNullPointerException().isThrownBy(() -> new Page<>(List.of(), null, false));
        assertThatNullPointerException().isThrownBy(() -> new Difference<>(null, 1, Position.START, Position.START, 0));
    }

    @Test
    void a_page_keeps_its_own_steps() {
        var steps = new ArrayList<>(List.of(new Step<>(RECORDED, 1)));
        var page = new Page<>(steps, Position.of(1), false);
        steps.clear();
        assertThat(page.steps()).hasSize(1).isUnmodifiable();
    }

    @Test
    void a_difference_of_equal_states_is_no_change() {
        assertThat(new Difference<>("a", "a", Position.START, Position.of(2), 2).isChange())
                .isFalse();
        assertThat(new Difference<>("a", "b", Position.START, Position.of(2), 2).isChange())
                .isTrue();
    }
}
