package dev.cqrs.examples.bank;

import dev.cqrs.command.Command;
import dev.cqrs.message.Done;
import java.math.BigDecimal;
import java.time.LocalDate;

/** What the bank can be told to do. */
sealed interface BankCommand extends Command<Done> {

    /** The account it is about. */
    String account();

    /**
     * Opens an account with nothing in it.
     *
     * @param account its number
     * @param on the day
     */
    record OpenAccount(String account, LocalDate on) implements BankCommand {}

    /**
     * Puts money into an open account.
     *
     * @param account its number
     * @param amount zero or more, with two decimals
     * @param on the day for which it counts
     */
    record Deposit(String account, BigDecimal amount, LocalDate on) implements BankCommand {}

    /**
     * Takes money out of an open account, which may go below zero.
     *
     * @param account its number
     * @param amount zero or more, with two decimals
     * @param on the day for which it counts
     */
    record Withdraw(String account, BigDecimal amount, LocalDate on) implements BankCommand {}
}
