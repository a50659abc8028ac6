package dev.cqrs.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import dev.cqrs.query.Query;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class RecordingBusesTest {

    record Open(String name) implements Command<String> {}

    sealed interface Entry extends Command<Done> {}

    record Pay(String account, int cents) implements Entry {}

    record Draw(String account, int cents) implements Entry {}

    sealed interface Booking extends Command<String> {}

    sealed interface Urgent extends Command<String> {}

    sealed interface Transfer extends Booking {}

    record Wire(String account) implements Transfer, Urgent {}

    sealed interface Counted extends Query<Integer> {}

    sealed interface CountedToday extends Counted {}

    record Visits() implements CountedToday {}

    record BalanceOf(String account) implements Query<Integer> {}

    record Accounts() implements Query<List<String>> {}

    private static final Metadata METADATA = Metadata.none().with("user", "anna");

    private final RecordingCommandBus commands = new RecordingCommandBus();
    private final RecordingQueryBus queries = new RecordingQueryBus();

    @Test
    void a_canned_answer_is_given_and_the_message_kept_with_its_metadata() {
        commands.answer(Open.class, "4711").answer(Entry.class, Done.DONE);
        queries.answer(BalanceOf.class, 70).answer(Accounts.class, List.of("4711"));

        assertThat(commands.dispatch(new Open("Anna"))).isEqualTo("4711");
        assertThat(commands.dispatch(new Pay("4711", 5), METADATA)).isEqualTo(Done.DONE);
        assertThat(queries.ask(new BalanceOf("4711"), METADATA)).isEqualTo(70);
        assertThat(queries.ask(new Accounts())).containsExactly("4711");

        assertThat(commands.sent())
                .containsExactly(
                        new RecordingCommandBus.Sent(new Open("Anna"), Metadata.none()),
                        new RecordingCommandBus.Sent(new Pay("4711", 5), METADATA));
        assertThat(commands.sent(Entry.class)).containsExactly(new Pay("4711", 5));
        assertThat(commands.sent(Draw.class)).isEmpty();
        assertThat(queries.asked())
                .containsExactly(
                        new RecordingQueryBus.Asked(new BalanceOf("4711"), METADATA),
                        new RecordingQueryBus.Asked(new Accounts(), Metadata.none()));
        assertThat(queries.asked(BalanceOf.class)).containsExactly(new BalanceOf("4711"));
    }

    @Test
    void an_answer_may_be_computed_and_replaced_and_that_of_the_very_class_wins() {
        commands.answer(Entry.class, Done.DONE).handle(Draw.class, draw -> {
            throw new IllegalStateException("no funds");
        });
        queries.handle(BalanceOf.class, query -> query.account().length()).answer(Accounts.class, List.of());
        queries.answer(Accounts.class, List.of("1"));

        assertThat(commands.dispatch(new Pay("1", 1))).isEqualTo(Done.DONE);
        assertThatThrownBy(() -> commands.dispatch(new Draw("1", 1)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("no funds");
        assertThat(commands.sent()).hasSize(2);
        assertThat(queries.ask(new BalanceOf("123"))).isEqualTo(3);
        assertThat(queries.ask(new Accounts())).containsExactly("1");
    }

    @Test
    void of_several_answers_that_fit_that_of_the_nearest_class_is_given() {
        commands.answer(Booking.class, "booking").answer(Transfer.class, "transfer");
        assertWired("transfer");
        commands.answer(Booking.class, "booking again");
        assertWired("transfer");
        commands.answer(Wire.class, "wire").answer(Transfer.class, "transfer again");
        assertWired("wire");

        queries.answer(CountedToday.class, 1).answer(Counted.class, 2);
        assertThat(queries.ask(new Visits())).isEqualTo(1);
        assertThat(queries.handlerFor(Visits.class).handle(new Visits())).isEqualTo(1);
        var anew = new RecordingQueryBus().answer(Counted.class, 2).answer(CountedToday.class, 1);
        assertThat(anew.ask(new Visits())).isEqualTo(1);
        assertThat(anew.handlerFor(Visits.class).handle(new Visits())).isEqualTo(1);
    }

    @Test
    void of_answers_that_are_equally_near_the_last_is_given() {
        commands.answer(Transfer.class, "transfer").answer(Urgent.class, "urgent");
        assertWired("urgent");
        commands.answer(Booking.class, "booking"); // which is above another
        assertWired("urgent");
        commands.answer(Transfer.class, "transfer again");
        assertWired("transfer again");
    }

    private void assertWired(String answer) {
        assertThat(commands.dispatch(new Wire("1"))).isEqualTo(answer);
        assertThat(commands.handlerFor(Wire.class).handle(new Wire("1"))).isEqualTo(answer);
    }

    @Test
    void a_message_without_an_answer_is_named() {
        commands.answer(Open.class, "4711");
        assertThatThrownBy(() -> commands.dispatch(new Pay("1", 1)))
                .isInstanceOf(NoHandlerException.class)
                .hasMessageStartingWith("No handler for dev.cqrs.testing.RecordingBusesTest$Pay. The recording bus has"
                        + " answers for [Open]; give it one with answer(Pay.class, ...).");
        assertThatThrownBy(() -> commands.handlerFor(Pay.class)).isInstanceOf(NoHandlerException.class);
        assertThatThrownBy(() -> queries.ask(new Accounts()))
                .hasMessageStartingWith("No handler for dev.cqrs.testing.RecordingBusesTest$Accounts. The recording bus"
                        + " has answers for nothing; give it one with answer(Accounts.class, ...).");
        assertThatThrownBy(() -> queries.handlerFor(Accounts.class)).isInstanceOf(NoHandlerException.class);
        assertThat(commands.sent(Pay.class)).hasSize(1);
    }

    @SuppressWarnings("NullAway") // the mistake that is tested
    @Test
    void a_checked_exception_and_a_null_result_are_named_failures() {
        var lost = new IOException("lost");
        commands.handle(Open.class, open -> {
            throw lost;
        });
        assertThatThrownBy(() -> commands.dispatch(new Open("Anna")))
                .isInstanceOf(HandlerFailedException.class)
                .hasCause(lost);
        queries.handle(BalanceOf.class, query -> {
            throw new InterruptedException();
        });
        assertThatThrownBy(() -> queries.ask(new BalanceOf("1")))
                .isInstanceOf(HandlerFailedException.class)
                .hasCauseInstanceOf(InterruptedException.class);
        assertThat(Thread.interrupted()).isTrue();
        queries.handle(Accounts.class, query -> null);
        assertThatThrownBy(() -> queries.ask(new Accounts()))
                .isInstanceOf(HandlerFailedException.class)
                .hasMessageStartingWith("The answer given to the recording bus returned null for");
    }

    /** Checked, but no {@link Exception}. */
    static final class Oddity extends Throwable {
        private static final long serialVersionUID = 1L;
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"}) // erased: whatever is thrown passes
    private static <T extends Throwable> T undeclared(Throwable thrown) throws T {
        throw (T) thrown;
    }

    @Test
    void a_checked_throwable_that_is_thrown_undeclared_is_a_named_failure_too() {
        var oddity = new Oddity();
        commands.handle(Open.class, open -> {
            throw RecordingBusesTest.<RuntimeException>undeclared(oddity);
        });
        queries.handle(BalanceOf.class, query -> {
            throw RecordingBusesTest.<RuntimeException>undeclared(oddity);
        });

        assertThatThrownBy(() -> commands.dispatch(new Open("Anna")))
                .isInstanceOf(HandlerFailedException.class)
                .hasCause(oddity);
        assertThatThrownBy(() -> queries.handlerFor(BalanceOf.class).handle(new BalanceOf("1")))
                .isInstanceOf(HandlerFailedException.class)
                .hasCause(oddity);
    }

    @Test
    void a_route_is_kept_too() {
        commands.answer(Open.class, "4711");
        queries.answer(BalanceOf.class, 70);
        var open = commands.handlerFor(Open.class);
        var balanceOf = queries.handlerFor(BalanceOf.class);

        assertThat(open.handle(new Open("Anna"))).isEqualTo("4711");
        assertThat(balanceOf.handle(new BalanceOf("1"), METADATA)).isEqualTo(70);

        assertThat(commands.sent(Open.class)).containsExactly(new Open("Anna"));
        assertThat(queries.asked()).containsExactly(new RecordingQueryBus.Asked(new BalanceOf("1"), METADATA));
    }

    @Test
    void around_another_bus_what_has_no_answer_goes_there() {
        var real = new RecordingCommandBus().answer(Open.class, "real").answer(Entry.class, Done.DONE);
        var spy = RecordingCommandBus.around(real).answer(Open.class, "canned");
        assertThat(spy.dispatch(new Open("Anna"))).isEqualTo("canned");
        assertThat(spy.dispatch(new Pay("1", 1), METADATA)).isEqualTo(Done.DONE);
        assertThat(spy.handlerFor(Pay.class).handle(new Pay("1", 2))).isEqualTo(Done.DONE);
        assertThat(spy.sent()).hasSize(3);
        assertThat(real.sent(Pay.class)).containsExactly(new Pay("1", 1), new Pay("1", 2));
        assertThat(real.sent().get(0).metadata()).isEqualTo(METADATA);

        var asked = new RecordingQueryBus().answer(BalanceOf.class, 1);
        var around = RecordingQueryBus.around(asked);
        assertThat(around.ask(new BalanceOf("1"))).isEqualTo(1);
        assertThat(around.handlerFor(BalanceOf.class).handle(new BalanceOf("2")))
                .isEqualTo(1);
        assertThat(around.asked()).isEqualTo(asked.asked()).hasSize(2);
    }

    @Test
    void what_was_sent_can_be_forgotten_and_does_not_grow_without_end() {
        commands.answer(Open.class, "4711");
        var open = new Open("Anna");
        for (int i = 0; i < RecordingCommandBus.CAPACITY; i++) {
            commands.dispatch(open);
        }
        assertThatThrownBy(() -> commands.dispatch(open))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage(
                        "A recording bus has kept 100000 messages, and no more fit. Call clear() between the parts of"
                                + " a test.");
        commands.clear();
        assertThat(commands.dispatch(open)).isEqualTo("4711");
        assertThat(commands.sent()).hasSize(1);
        queries.clear();
        assertThat(queries.asked()).isEmpty();
    }

    @Test
    void a_route_that_was_taken_before_gives_the_answer_that_was_given_since() {
        commands.answer(Open.class, "4711");
        queries.answer(BalanceOf.class, 70);
        var open = RecordingCommandBus.around(commands);
        var opening = open.handlerFor(Open.class);
        var balance = RecordingQueryBus.around(queries);
        var asking = balance.handlerFor(BalanceOf.class);
        var first = commands.handlerFor(Open.class);
        var second = queries.handlerFor(BalanceOf.class);
        assertThat(opening.handle(new Open("Anna"))).isEqualTo("4711");
        assertThat(asking.handle(new BalanceOf("4711"))).isEqualTo(70);

        open.answer(Open.class, "4712");
        balance.answer(BalanceOf.class, 71);
        assertThat(opening.handle(new Open("Bert"))).isEqualTo("4712");
        assertThat(asking.handle(new BalanceOf("4711"))).isEqualTo(71);

        commands.answer(Open.class, "4713");
        queries.answer(BalanceOf.class, 72);
        assertThat(first.handle(new Open("Carl"))).isEqualTo("4713");
        assertThat(second.handle(new BalanceOf("4711"))).isEqualTo(72);
    }
}
