package dev.cqrs.projection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.event.Position;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import dev.cqrs.projection.CheckpointStore.Parked;
import java.util.List;
import org.junit.jupiter.api.Test;

/** How far a projection has come, as a value. */
class CheckpointTest {

    @Test
    void a_checkpoint_holds_what_it_was_given() {
        var checkpoint = new Checkpoint(2, Position.of(7), "state");

        assertThat(checkpoint.version()).isEqualTo(2);
        assertThat(checkpoint.position()).isEqualTo(Position.of(7));
        assertThat(checkpoint.state()).isEqualTo("state");
    }

    @Test
    void a_checkpoint_tells_of_events_put_aside_only_if_there_are_any() {
        var parked = new Parked(Position.of(3), "broken", false);

        assertThat(new Checkpoint(2, Position.of(7), "s")).hasToString("Checkpoint[version=2, position=7, state=s]");
        assertThat(new Checkpoint(2, Position.of(7), "s", List.of(parked)))
                .hasToString("Checkpoint[version=2, position=7, state=s, parked=[" + parked + "]]");
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused_naming_the_part() {
        assertThatNullPointerException()
                .isThrownBy(() -> new Checkpoint(1, null, "state"))
                .withMessage("position");
        assertThatNullPointerException()
                .isThrownBy(() -> new Checkpoint(1, Position.START, null))
                .withMessage("state");
    }
}
