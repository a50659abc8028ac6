package dev.cqrs.eventstore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition.Absent;
import dev.cqrs.eventstore.AppendCondition.Unchanged;
import dev.cqrs.message.CqrsException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import org.junit.jupiter.api.Test;

/** How a refused append is told. */
class AppendConflictExceptionTest {

    static final EventQuery ACCOUNT = EventQuery.tagged(Tag.of("account", "4711"));
    static final Unchanged UNCHANGED = new Unchanged(ACCOUNT, Position.of(3));
    static final Absent ABSENT = new Absent(ACCOUNT);

    @Test
    void a_changed_read_is_told_with_the_clause_the_position_and_the_advice_to_try_again() {
        assertThat(new AppendConflictException(UNCHANGED, Position.of(5)))
                .hasMessage(
                        "The append was refused and nothing written: expected no match of events tagged [account:4711]"
                                + " after position 3, but position 5 holds one. Read, decide and append again.")
                .isInstanceOf(CqrsException.class);
    }

    @Test
    void an_event_that_must_be_absent_is_told_with_the_advice_not_to_try_again() {
        assertThat(new AppendConflictException(ABSENT, Position.of(5)))
                .hasMessage(
                        "The append was refused and nothing written: expected no match of events tagged [account:4711]"
                                + " at all, but position 5 holds one."
                                + " Trying again cannot help while that event is in the log.");
    }

    @Test
    void to_string_tells_the_message_too() {
        var exception = new AppendConflictException(UNCHANGED, Position.of(5));

        assertThat(exception).hasToString(AppendConflictException.class.getName() + ": " + exception.getMessage());
    }

    @Test
    void the_facts_are_fields() {
        var unchanged = new AppendConflictException(UNCHANGED, Position.of(5));
        var absent = new AppendConflictException(ABSENT, Position.of(6));

        assertThat(unchanged.clause()).isSameAs(UNCHANGED);
        assertThat(unchanged.position()).isEqualTo(Position.of(5));
        assertThat(unchanged.isRetryable()).isTrue();
        assertThat(absent.clause()).isSameAs(ABSENT);
        assertThat(absent.position()).isEqualTo(Position.of(6));
        assertThat(absent.isRetryable()).isFalse();
    }

    @Test
    void a_conflict_is_normal_work_and_has_no_stack_trace() {
        assertThat(new AppendConflictException(UNCHANGED, Position.of(5)).getStackTrace())
                .isEmpty();
    }

    @Test
    void a_conflict_can_be_serialised_and_still_tells_where_and_whether_to_try_again() throws Exception {
        for (var conflict : new AppendConflictException[] {
            new AppendConflictException(UNCHANGED, Position.of(5)), new AppendConflictException(ABSENT, Position.of(5))
        }) {
            var bytes = new ByteArrayOutputStream();
            try (var out = new ObjectOutputStream(bytes)) {
                out.writeObject(conflict);
            }
            AppendConflictException read;
            try (var in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
                read = (AppendConflictException) in.readObject();
            }

            assertThat(read.position()).isEqualTo(Position.of(5));
            assertThat(read.isRetryable()).isEqualTo(conflict.isRetryable());
            assertThat(read)
                    .hasMessageContainingAll("refused and nothing written", "position 5")
                    .message()
                    .doesNotContain("null");
        }
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused() {
        assertThatNullPointerException().isThrownBy(() -> new AppendConflictException(null, Position.of(5)));
        assertThatNullPointerException().isThrownBy(() -> new AppendConflictException(UNCHANGED, null));
    }
}
