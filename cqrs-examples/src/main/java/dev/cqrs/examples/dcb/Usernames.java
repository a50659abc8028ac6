package dev.cqrs.examples.dcb;

import dev.cqrs.command.Command;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.message.Done;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.Set;

/**
 * A username belongs to one account; when it is given up, nobody else may have it for three days.
 *
 * <p>Uniqueness without a table of names (https://dcb.events/examples/unique-username/). The time comes with the command,
 * so that deciding stays pure. The program that dispatches reads it off its clock; a user could say that three days are over.
 */
final class Usernames {

    static final Duration RETENTION = Duration.ofDays(3);

    record Register(String account, String username, Instant at) implements Command<Done> {}

    record ChangeUsername(String account, String username, Instant at) implements Command<Done> {}

    record CloseAccount(String account, Instant at) implements Command<Done> {}

    record Registered(String account, String username, Instant at) {}

    record UsernameChanged(String account, String from, String to, Instant at) {}

    record AccountClosed(String account, String username, Instant at) {}

    /** Who has a name, or until when nobody may. */
    private record Claim(boolean taken, Instant retainedUntil) {
        static final Claim FREE = new Claim(false, Instant.MIN);

        static Claim released(Instant at) {
            return new Claim(false, at.plus(RETENTION));
        }

        Claim claimed() {
            return new Claim(true, Instant.MIN);
        }

        boolean isOpenAt(Instant at) {
            return !taken && !at.isBefore(retainedUntil);
        }
    }

    static final Catalog CATALOG = Catalog.builder()
            .event("registered", Registered.class, e -> Set.of(account(e.account()), username(e.username())))
            .event(
                    "username-changed",
                    UsernameChanged.class,
                    e -> Set.of(account(e.account()), username(e.from()), username(e.to())))
            .event("account-closed", AccountClosed.class, e -> Set.of(account(e.account()), username(e.username())))
            .build();

    private Usernames() {}

    static InMemoryCqrs over(EventStore store) {
        return InMemoryCqrs.builder(store)
                .decide(
                        Register.class,
                        c -> nameOf(c.account())
                                .and(
                                        claim(c.username()),
                                        (mine, claim) -> mine.isPresent()
                                                ? Optional.of("the account is registered already")
                                                : objection(claim, c.at())),
                        (c, objection) -> Rules.unless(objection, new Registered(c.account(), c.username(), c.at())))
                .decide(
                        ChangeUsername.class,
                        c -> nameOf(c.account())
                                .and(claim(c.username()), (mine, claim) -> new Change(mine, objection(claim, c.at()))),
                        (c, change) -> change.mine().isEmpty()
                                ? Decision.reject("there is no such account")
                                : Rules.unless(
                                        change.objection(),
                                        new UsernameChanged(
                                                c.account(), change.mine().get(), c.username(), c.at())))
                .decide(
                        CloseAccount.class,
                        c -> nameOf(c.account()),
                        (c, mine) -> mine.<Decision<AccountClosed>>map(
                                        name -> Decision.accept(new AccountClosed(c.account(), name, c.at())))
                                .orElseGet(() -> Decision.reject("there is no such account")))
                .build();
    }

    private record Change(Optional<String> mine, Optional<String> objection) {}

    private static Optional<String> objection(Claim claim, Instant at) {
        return claim.isOpenAt(at) ? Optional.empty() : Optional.of("the username is taken");
    }

    private static DecisionModel<Optional<String>> nameOf(String account) {
        return DecisionModel.of(
                EventQuery.tagged(account(account)),
                Fold.from(Optional.<String>empty())
                        .on(Registered.class, (before, e) -> Optional.of(e.username()))
                        .on(UsernameChanged.class, (before, e) -> Optional.of(e.to()))
                        .on(AccountClosed.class, (before, e) -> Optional.empty()));
    }

    private static DecisionModel<Claim> claim(String username) {
        return DecisionModel.of(
                EventQuery.tagged(username(username)),
                Fold.from(Claim.FREE)
                        .on(Registered.class, (claim, e) -> claim.claimed())
                        .on(AccountClosed.class, (claim, e) -> Claim.released(e.at()))
                        .on(
                                UsernameChanged.class,
                                (claim, e) -> e.to().equals(username) ? claim.claimed() : Claim.released(e.at())));
    }

    private static Tag account(String id) {
        return Tag.of("account", id);
    }

    private static Tag username(String name) {
        return Tag.of("username", name);
    }
}
