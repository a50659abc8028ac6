package dev.cqrs.benchmarks;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Tag;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Set;

/** The events of the benchmarks: a ledger's entries, each tagged with its account and its branch. */
final class Ledger {

    /** Stands still, so that reading a clock, which the floors do not do, is no part of the comparison. */
    static final Clock CLOCK = Clock.fixed(Instant.parse("2026-11-01T00:00:00Z"), ZoneOffset.UTC);

    /** An event; its tags are made from its fields, as an application's would be. */
    sealed interface Entry {
        String account();

        String branch();

        long amount();
    }

    record Deposited(String account, String branch, long amount) implements Entry {}

    record Withdrawn(String account, String branch, long amount) implements Entry {}

    record TransferredIn(String account, String branch, long amount) implements Entry {}

    record TransferredOut(String account, String branch, long amount) implements Entry {}

    record InterestPaid(String account, String branch, long amount) implements Entry {}

    record FeeCharged(String account, String branch, long amount) implements Entry {}

    record Corrected(String account, String branch, long amount) implements Entry {}

    record Blocked(String account, String branch, long amount) implements Entry {}

    private Ledger() {}

    static Catalog catalog() {
        return Catalog.builder()
                .event("deposited", Deposited.class)
                .event("withdrawn", Withdrawn.class)
                .event("transferred-in", TransferredIn.class)
                .event("transferred-out", TransferredOut.class)
                .event("interest-paid", InterestPaid.class)
                .event("fee-charged", FeeCharged.class)
                .event("corrected", Corrected.class)
                .event("blocked", Blocked.class)
                .tags(Entry.class, Ledger::tags)
                .build();
    }

    static Set<Tag> tags(Entry entry) {
        return Set.of(accountTag(entry.account()), Tag.of("branch", entry.branch()));
    }

    static Tag accountTag(String account) {
        return Tag.of("account", account);
    }

    static String account(int i) {
        return "account-" + (10_000_000 + i);
    }

    static String branch(int i) {
        return "branch-" + i;
    }

    /** An event of one of the eight types. */
    static Entry entry(int type, String account, String branch, long amount) {
        return switch (type) {
            case 0 -> new Deposited(account, branch, amount);
            case 1 -> new Withdrawn(account, branch, amount);
            case 2 -> new TransferredIn(account, branch, amount);
            case 3 -> new TransferredOut(account, branch, amount);
            case 4 -> new InterestPaid(account, branch, amount);
            case 5 -> new FeeCharged(account, branch, amount);
            case 6 -> new Corrected(account, branch, amount);
            case 7 -> new Blocked(account, branch, amount);
            default -> throw new IllegalArgumentException("type " + type + "; expected 0 to 7");
        };
    }
}
