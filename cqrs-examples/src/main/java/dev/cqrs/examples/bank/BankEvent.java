package dev.cqrs.examples.bank;

import java.math.BigDecimal;
import java.time.LocalDate;

/** What happened in the bank. Plain Java: events know nothing of the library. */
sealed interface BankEvent {

    /** The account it is about. */
    String account();

    /** The day for which it counts, which is not always the day on which it was recorded. */
    LocalDate on();

    /**
     * There is a new account.
     *
     * @param account its number
     * @param on the day
     */
    record AccountOpened(String account, LocalDate on) implements BankEvent {}

    /**
     * Money came in.
     *
     * @param account where to
     * @param amount how much
     * @param on the day for which it counts
     */
    record Deposited(String account, BigDecimal amount, LocalDate on) implements BankEvent {}

    /**
     * Money went out.
     *
     * @param account where from
     * @param amount how much
     * @param on the day for which it counts
     */
    record Withdrawn(String account, BigDecimal amount, LocalDate on) implements BankEvent {}
}
