package dev.cqrs.examples.bank;

import java.math.BigDecimal;
import java.time.LocalDate;

/**
 * What was in an account when a day ended.
 *
 * @param account its number
 * @param day the day
 * @param balance with two decimals
 */
record AccountDay(String account, LocalDate day, BigDecimal balance) {}
