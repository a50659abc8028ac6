package dev.cqrs.examples.bank;

import java.math.BigDecimal;
import java.time.LocalDate;

/** One data row of a {@link TransactionFile}. */
sealed interface Row {

    /** The number of its line in the file, of which the header is the first. */
    long line();

    /** Which way the money went. */
    enum Direction {
        /** Into the account. */
        CREDIT,
        /** Out of the account. */
        DEBIT
    }

    /**
     * A row that makes sense.
     *
     * @param line the number of its line
     * @param id the bank's own number for it
     * @param account the account's number
     * @param date the day
     * @param direction which way the money went
     * @param amount how much: zero or more, with two decimals
     * @param stated what the bank says was in the account afterwards, with two decimals
     */
    record Transaction(
            long line,
            String id,
            String account,
            LocalDate date,
            Direction direction,
            BigDecimal amount,
            BigDecimal stated)
            implements Row {}

    /**
     * A row that does not.
     *
     * @param line the number of its line
     * @param reason what is wrong with it
     */
    record Malformed(long line, String reason) implements Row {}
}
