package dev.cqrs.examples.statement;

import java.time.LocalDate;

/** A row of one of the bank's files, and the event by which its service tells of it. Money is in hellers, hundredths. */
public sealed interface BankRecord {

    /** Opened at a branch, which stands in a district. */
    record Account(String id, String district, String frequency, LocalDate opened) implements BankRecord {}

    /** A person. */
    record Client(String id, LocalDate born, Sex sex, String district) implements BankRecord {}

    /** As the bank tells by the month of the number that everybody is given at birth. */
    enum Sex {
        /** The month as it is. */
        MALE,
        /** The month plus 50. */
        FEMALE
    }

    /** The right of a client to use an account. */
    record Disposition(String id, String client, String account, Role role) implements BankRecord {}

    /** What a client may do. */
    enum Role {
        /** Everything. */
        OWNER,
        /** Use the account, but neither order nor borrow. */
        DISPONENT
    }

    /** Issued to a client, for an account. */
    record Card(String id, String disposition, String type, LocalDate issued) implements BankRecord {}

    /** Granted for an account, to be paid back monthly. */
    record Loan(String id, String account, LocalDate granted, long amount, int months, long payment, String status)
            implements BankRecord {}

    /** A payment that is made every month. */
    record StandingOrder(String id, String account, String toBank, String toAccount, long amount, String purpose)
            implements BankRecord {}

    /** A part of the country. */
    record District(String id, String name, String region) implements BankRecord {}

    /** Money that has come, or gone: then the amount is negative. */
    record Transaction(String id, String account, LocalDate date, long amount, String purpose) implements BankRecord {}
}
