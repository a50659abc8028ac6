package dev.cqrs.examples.privacy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.EventCodec;
import dev.cqrs.event.EventCodec.Stored;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.examples.privacy.ShreddingCodec.Personal;
import dev.cqrs.jdbc.JacksonEventCodec;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * A club that knows its members by name, and can forget them: the books stay right, the names are gone.
 *
 * <p>Members have random ids. Name and e-mail address are personal fields; fees are not. The log here is a list of rows as
 * a store with a database keeps them: what is in a row is what an administrator, a thief, or a backup sees.
 *
 * <p><b>Threads:</b> not thread-safe; it is a picture of a store, not one.
 */
final class Club {

    /** What happens to a member. */
    sealed interface MemberEvent {
        String member();
    }

    /** Somebody has joined. */
    record Joined(String member, String name, String email) implements MemberEvent {}

    /** A member has paid. */
    record FeePaid(String member, long cents) implements MemberEvent {}

    /** The member's personal data are gone, on whose request; kept as proof, and so that views drop what they show. */
    record Forgotten(String member, String request) implements MemberEvent {}

    /** An event as it lies on the disk. */
    record Row(Stored stored, Set<Tag> tags) {}

    /** What the club has earned: needs no names. */
    static final Fold<Long> INCOME = Fold.from(0L).on(FeePaid.class, (sum, e) -> sum + e.cents());

    /** Who is a member, by id. */
    static final Fold<Map<String, String>> ROLL = Fold.<Map<String, String>>fresh(TreeMap::new)
            .change(Joined.class, (roll, e) -> roll.put(e.member(), e.name()))
            .change(Forgotten.class, (roll, e) -> roll.remove(e.member()));

    private final List<Row> rows = new ArrayList<>();
    private final KeyedHash hash;
    private final PersonalKeys keys;
    private final Catalog catalog;
    private final EventCodec codec;

    /** Makes a club without members. */
    Club(PersonalKeys keys, KeyedHash hash, SecureRandom random) {
        this.hash = hash;
        this.keys = keys;
        this.catalog = Catalog.builder()
                .event("member-joined", Joined.class, e -> Set.of(email(e.email())))
                .event("fee-paid", FeePaid.class)
                .event("member-forgotten", Forgotten.class)
                .tags(MemberEvent.class, e -> Set.of(member(e.member())))
                .build();
        this.codec = new ShreddingCodec(
                new JacksonEventCodec(),
                keys,
                random,
                List.of(new Personal<>(
                        Joined.class, Joined::member, Map.of("name", "[forgotten]", "email", "[forgotten]"))));
    }

    /**
     * Takes somebody in.
     *
     * @throws IllegalStateException if the address has been used before
     */
    void join(String member, String name, String email) {
        if (rows.stream().anyMatch(row -> row.tags().contains(email(email)))) {
            throw new IllegalStateException("This address has joined before.");
        }
        append(new Joined(member, name, email));
    }

    /** Books a fee. */
    void pay(String member, long cents) {
        append(new FeePaid(member, cents));
    }

    /** Forgets a member on request: destroys the key, then says so in the log. May be repeated if it is interrupted. */
    void forget(String member, String request) {
        keys.forget(member);
        append(new Forgotten(member, request));
    }

    /** Computes a view from the log, from the beginning. */
    <S> S view(Fold<S> fold) {
        return view(rows, fold);
    }

    /** Computes a view from a copy of the log. */
    <S> S view(List<Row> copy, Fold<S> fold) {
        var state = fold.initial();
        for (var row : copy) {
            for (var event : catalog.decode(row.stored(), codec)) {
                state = fold.apply(state, event);
            }
        }
        return state;
    }

    /** Gives the events of a member. */
    List<Object> eventsOf(String member) {
        return rows.stream()
                .filter(row -> row.tags().contains(member(member)))
                .flatMap(row -> catalog.decode(row.stored(), codec).stream())
                .toList();
    }

    /** Gives a copy of all that is kept of the log. */
    List<Row> backup() {
        return List.copyOf(rows);
    }

    private void append(Object event) {
        rows.add(new Row(catalog.encode(event, codec), catalog.tagsOf(event)));
    }

    private Tag member(String id) {
        return hash.tag("member", id);
    }

    private Tag email(String address) {
        return hash.tag("email", address.toLowerCase(Locale.ROOT));
    }
}
