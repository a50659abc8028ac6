package dev.cqrs.inmemory;

import static dev.cqrs.decider.Decision.accept;
import static dev.cqrs.decider.Decision.reject;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.message.Done;
import dev.cqrs.projection.Projection;
import dev.cqrs.query.Query;
import java.time.Clock;
import java.util.Set;
import org.junit.jupiter.api.Test;

class QuickStartTest {

    record Deposit(String account, long cents) implements Command<Done> {}

    record Withdraw(String account, long cents) implements Command<Long> {}

    record Total() implements Query<Long> {}

    record Deposited(String account, long cents) {}

    record Withdrawn(String account, long cents) {}

    static final Fold<Long> MONEY = Fold.from(0L)
            .on(Deposited.class, (sum, e) -> sum + e.cents())
            .on(Withdrawn.class, (sum, e) -> sum - e.cents());
    static final Projection<Long> TOTAL = Projection.of("total", 1, MONEY);

    static Tag account(String id) {
        return Tag.of("account", id);
    }

    static DecisionModel<Long> balance(String id) {
        return DecisionModel.of(EventQuery.tagged(account(id)), MONEY);
    }

    static InMemoryCqrs bank() {
        return InMemoryCqrs.builder(Clock.systemUTC())
                .event("deposited", Deposited.class, e -> Set.of(account(e.account())))
                .event("withdrawn", Withdrawn.class, e -> Set.of(account(e.account())))
                .decide(
                        Deposit.class,
                        c -> balance(c.account()),
                        (c, sum) -> accept(new Deposited(c.account(), c.cents())))
                .decide(
                        Withdraw.class,
                        c -> balance(c.account()),
                        (c, sum) ->
                                sum < c.cents() ? reject("only " + sum) : accept(new Withdrawn(c.account(), c.cents())),
                        (c, after) -> after)
                .query(Total.class, TOTAL, (q, total) -> total)
                .build();
    }

    @Test
    void commands_decide_queries_read_and_the_past_is_one_call_away() {
        try (var bank = bank()) {
            bank.dispatch(new Deposit("alice", 100));
            long left = bank.dispatch(new Withdraw("alice", 30));

            assertThat(left).isEqualTo(70);
            assertThat(bank.ask(new Total())).isEqualTo(70);
            assertThat(bank.view(TOTAL).at(Position.of(1))).isEqualTo(100);
        }
    }

    @Test
    void a_rejection_is_a_named_exception_and_appends_nothing() {
        try (var bank = bank()) {
            bank.dispatch(new Deposit("alice", 10));

            assertThatThrownBy(() -> bank.dispatch(new Withdraw("alice", 30)))
                    .isInstanceOf(RejectedException.class)
                    .hasMessage("Withdraw was rejected: only 10");
            assertThat(bank.store().head()).isEqualTo(Position.of(1));
        }
    }
}
