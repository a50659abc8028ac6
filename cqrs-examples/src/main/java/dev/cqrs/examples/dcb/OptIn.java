package dev.cqrs.examples.dcb;

import static dev.cqrs.examples.dcb.Rules.never;

import dev.cqrs.command.Command;
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
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Who signs up confirms with the token that was sent, once, and within an hour.
 *
 * <p>No table of tokens (https://dcb.events/examples/opt-in-token/). Who sends the command draws the token and reads the
 * clock, so that deciding stays pure. That is the program that dispatches, never the user, who could say any time.
 */
final class OptIn {

    static final Duration VALID = Duration.ofMinutes(60);

    record SignUp(String email, String token, Instant at) implements Command<Done> {}

    record Confirm(String email, String token, Instant at) implements Command<Done> {}

    record SignUpInitiated(String email, String token, Instant at) {}

    record SignUpConfirmed(String email, String token, Instant at) {}

    static final Catalog CATALOG = Catalog.builder()
            .event("sign-up-initiated", SignUpInitiated.class, e -> Set.of(email(e.email()), token(e.token())))
            .event("sign-up-confirmed", SignUpConfirmed.class, e -> Set.of(email(e.email()), token(e.token())))
            .build();

    private OptIn() {}

    static InMemoryCqrs over(EventStore store) {
        return InMemoryCqrs.builder(store)
                .decide(
                        SignUp.class,
                        c -> never(confirmed(email(c.email())), done -> done, "the address is confirmed already"),
                        (c, objection) -> Rules.unless(objection, new SignUpInitiated(c.email(), c.token(), c.at())))
                .decide(
                        Confirm.class,
                        c -> Rules.all(List.of(
                                never(sentAt(c), Optional::isEmpty, "there is no such token"),
                                never(
                                        sentAt(c),
                                        sent -> sent.isPresent() && c.at().isBefore(sent.get()),
                                        "the time is before that of the token"),
                                never(confirmed(token(c.token())), used -> used, "the token was used already"),
                                never(confirmed(email(c.email())), done -> done, "the address is confirmed already"),
                                never(
                                        sentAt(c),
                                        sent -> sent.isPresent()
                                                && c.at().isAfter(sent.get().plus(VALID)),
                                        "the token has expired"))),
                        (c, objection) -> Rules.unless(objection, new SignUpConfirmed(c.email(), c.token(), c.at())))
                .build();
    }

    private static DecisionModel<Optional<Instant>> sentAt(Confirm c) {
        return DecisionModel.of(
                EventQuery.types(SignUpInitiated.class).withTags(email(c.email()), token(c.token())),
                Fold.from(Optional.<Instant>empty()).on(SignUpInitiated.class, (before, e) -> Optional.of(e.at())));
    }

    private static DecisionModel<Boolean> confirmed(Tag tag) {
        return DecisionModel.of(
                EventQuery.types(SignUpConfirmed.class).withTags(tag),
                Fold.from(false).on(SignUpConfirmed.class, (before, e) -> true));
    }

    private static Tag email(String address) {
        return Tag.of("email", address);
    }

    private static Tag token(String token) {
        return Tag.of("token", token);
    }
}
