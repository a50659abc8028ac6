package dev.cqrs.examples.bank;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.examples.bank.BankCommand.Deposit;
import dev.cqrs.examples.bank.BankCommand.OpenAccount;
import dev.cqrs.examples.bank.BankCommand.Withdraw;
import dev.cqrs.examples.bank.BankEvent.AccountOpened;
import dev.cqrs.examples.bank.BankEvent.Deposited;
import dev.cqrs.examples.bank.BankEvent.Withdrawn;
import dev.cqrs.examples.bank.BankQuery.AccountCount;
import dev.cqrs.examples.bank.BankQuery.BalanceOf;
import dev.cqrs.examples.bank.BankQuery.EndOfDayBalances;
import dev.cqrs.examples.bank.BankQuery.TotalBalance;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.message.Metadata;
import dev.cqrs.testing.Given;
import java.math.BigDecimal;
import java.time.LocalDate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class BankTest {

    private static final LocalDate MONDAY = LocalDate.of(1993, 1, 4);
    private static final LocalDate TUESDAY = MONDAY.plusDays(1);

    private final SteppedClock clock = SteppedClock.startingOn(MONDAY);
    private final InMemoryCqrs bank = Bank.open(clock);

    @AfterEach
    void close() {
        bank.close();
    }

    @Test
    void an_open_account_holds_nothing() {
        bank.dispatch(new OpenAccount("1", MONDAY));

        assertThat(bank.ask(new BalanceOf("1"))).contains(money("0.00"));
        assertThat(bank.ask(new AccountCount())).isEqualTo(1);
    }

    @Test
    void an_account_that_was_never_opened_has_no_balance() {
        assertThat(bank.ask(new BalanceOf("1"))).isEmpty();
        assertThat(bank.ask(new TotalBalance())).isEqualTo(money("0.00"));
    }

    @Test
    void an_account_is_opened_once() {
        bank.dispatch(new OpenAccount("1", MONDAY));

        assertThatThrownBy(() -> bank.dispatch(new OpenAccount("1", TUESDAY)))
                .isInstanceOf(RejectedException.class)
                .hasMessage("OpenAccount was rejected: account 1 is open already");
    }

    @Test
    void money_moves_only_on_open_accounts() {
        var account = Given.decider(Bank.ACCOUNT);
        account.when(new Deposit("1", money("5.00"), MONDAY)).thenRejected("there is no account 1");
        account.when(new Withdraw("1", money("5.00"), MONDAY)).thenRejected("there is no account 1");

        var open = account.events(new AccountOpened("1", MONDAY));
        open.when(new Deposit("1", money("5.00"), MONDAY)).thenEvents(new Deposited("1", money("5.00"), MONDAY));
        open.when(new Withdraw("1", money("5.00"), MONDAY)).thenEvents(new Withdrawn("1", money("5.00"), MONDAY));
    }

    @Test
    void an_account_may_go_below_zero() {
        bank.dispatch(new OpenAccount("1", MONDAY));
        bank.dispatch(new Deposit("1", money("0.10"), MONDAY));
        bank.dispatch(new Withdraw("1", money("0.30"), MONDAY));

        assertThat(bank.ask(new BalanceOf("1"))).contains(money("-0.20"));
    }

    @Test
    void the_total_is_over_all_accounts() {
        bank.dispatch(new OpenAccount("1", MONDAY));
        bank.dispatch(new OpenAccount("2", MONDAY));
        bank.dispatch(new Deposit("1", money("10.05"), MONDAY));
        bank.dispatch(new Withdraw("2", money("3.00"), MONDAY));

        assertThat(bank.ask(new TotalBalance())).isEqualTo(money("7.05"));
    }

    @Test
    void the_end_of_a_day_is_shown_for_days_on_which_something_moved() {
        bank.dispatch(new OpenAccount("1", MONDAY));
        bank.dispatch(new OpenAccount("2", MONDAY));
        bank.dispatch(new Deposit("1", money("10.00"), MONDAY));
        bank.dispatch(new Deposit("1", money("2.00"), MONDAY));
        bank.dispatch(new Withdraw("1", money("3.00"), MONDAY.plusDays(2)));

        assertThat(bank.ask(new EndOfDayBalances()))
                .containsExactly(
                        new AccountDay("1", MONDAY, money("12.00")),
                        new AccountDay("1", MONDAY.plusDays(2), money("9.00")));
    }

    @Test
    void an_event_that_comes_late_counts_for_its_own_day_and_those_after_it() {
        bank.dispatch(new OpenAccount("1", MONDAY));
        bank.dispatch(new Deposit("1", money("10.00"), TUESDAY));
        bank.dispatch(new Deposit("1", money("1.00"), MONDAY));

        assertThat(bank.ask(new EndOfDayBalances()))
                .containsExactly(
                        new AccountDay("1", MONDAY, money("1.00")), new AccountDay("1", TUESDAY, money("11.00")));
    }

    @Test
    void a_decision_reads_one_event_however_long_the_history_is() {
        bank.dispatch(new OpenAccount("1", MONDAY));
        bank.dispatch(new Deposit("1", money("10.00"), MONDAY));
        bank.dispatch(new Withdraw("1", money("3.00"), MONDAY));

        try (var read = bank.store().read(Bank.isOpen(new Deposit("1", money("5.00"), MONDAY)))) {
            assertThat(read.toList()).extracting(RecordedEvent::event).containsExactly(new AccountOpened("1", MONDAY));
        }
        try (var history = bank.store().read(EventQuery.tagged(Tag.of("account", "1")))) {
            assertThat(history.toList()).hasSize(3);
        }
    }

    @Test
    void a_row_can_be_found_by_the_metadata_of_its_event() throws UnusableFileException {
        var teller = new Teller(bank, clock, new Reconciliation(), note -> {});
        try (var sample = TransactionFile.sample()) {
            teller.serve(sample.next().orElseThrow());
        }

        try (var history = bank.store().read(EventQuery.tagged(Tag.of("account", "1001")))) {
            var events = history.toList();
            assertThat(events).hasSize(2);
            assertThat(events.get(0).metadata().causation()).contains("700001");
            assertThat(events.get(1).metadata()).isEqualTo(Metadata.withId("700001"));
        }
    }

    @Test
    void a_balance_of_the_past_is_one_call() {
        bank.dispatch(new OpenAccount("1", MONDAY));
        bank.dispatch(new Deposit("1", money("10.00"), MONDAY));
        clock.stepTo(TUESDAY);
        bank.dispatch(new Deposit("1", money("5.00"), TUESDAY));

        var balances = bank.view(Balances.PROJECTION);
        assertThat(balances.at(SteppedClock.endOf(MONDAY)).of("1")).contains(money("10.00"));
        assertThat(balances.at(SteppedClock.endOf(TUESDAY)).of("1")).contains(money("15.00"));
        assertThat(balances.at(Position.of(1)).of("1")).contains(money("0.00"));
        assertThat(balances.at(SteppedClock.endOf(MONDAY.minusDays(1))).of("1")).isEmpty();
    }

    private static BigDecimal money(String amount) {
        return new BigDecimal(amount);
    }
}
