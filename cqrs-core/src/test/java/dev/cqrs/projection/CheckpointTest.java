package dev.cqrs.projection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.event.Position;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
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
