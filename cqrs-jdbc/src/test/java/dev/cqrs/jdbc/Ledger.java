package dev.cqrs.jdbc;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Tag;
import java.util.Set;

/** The events of these tests: money on accounts. */
sealed interface Ledger {

    Catalog CATALOG = Catalog.builder()
            .event("opened", Opened.class)
            .event("deposited", Deposited.class)
            .event("moved", Moved.class, moved -> Set.of(account(moved.from()), account(moved.to())))
            .tags(OfAccount.class, event -> Set.of(account(event.account())))
            .commandIds()
            .build();

    sealed interface OfAccount extends Ledger {
        String account();
    }

    record Opened(String account) implements OfAccount {}

    record Deposited(String account, long cents) implements OfAccount {}

    record Moved(String from, String to, long cents) implements Ledger {}

    static Tag account(String id) {
        return Tag.of("account", id);
    }
}
