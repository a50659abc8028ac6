package dev.cqrs.suite;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What the tests are about: accounts, and views of them in the shapes that a view can have. */
public final class Bank {

    /** Money has come in, or gone. */
    public record Moved(String account, int cents) {}

    /** An account was closed. */
    public record Closed(String account) {}

    /** Two accounts and an amount, in one append: the sum of all accounts stays. */
    public record Balances(Map<String, Integer> of) {}

    /** A sum, as it is saved. */
    public record Sum(int cents) {}

    /** What was folded, in order. */
    public record Seen(List<Integer> cents) {

        Seen and(int more) {
            var all = new ArrayList<>(cents);
            all.add(more);
            return new Seen(List.copyOf(all));
        }
    }

    public static final Keys<String> ACCOUNTS =
            Keys.by(Moved.class, Moved::account).and(Closed.class, Closed::account);

    /** All that the tests save, by the projection's name. */
    public static final Map<String, Class<?>> SAVED =
            Map.of("sum", Sum.class, "seen", Seen.class, "balances", Balances.class, "in-place", Seen.class);

    private Bank() {}

    static Catalog catalog() {
        return Catalog.builder()
                .event("moved", Moved.class)
                .event("closed", Closed.class)
                .build();
    }

    /** One value. */
    static Projection<Sum> sum(int version) {
        return Projection.of(
                "sum",
                version,
                Fold.from(new Sum(0)).on(Moved.class, (sum, e) -> new Sum(sum.cents() + e.cents() * version)));
    }

    /** Everything there was, so that one too many or too few shows. */
    static Projection<Seen> seen(int version) {
        return Projection.of(
                "seen", version, Fold.from(new Seen(List.of())).on(Moved.class, (seen, e) -> seen.and(e.cents())));
    }

    /** As {@link #seen}, but a payment over 100 cannot be folded while {@code poison} says so. */
    static Projection<Seen> poisoned(int version, java.util.function.BooleanSupplier poison) {
        return Projection.of("seen", version, Fold.from(new Seen(List.of())).on(Moved.class, (seen, e) -> {
                    if (e.cents() > 100 && poison.getAsBoolean()) {
                        throw new IllegalStateException("too much: " + e.cents());
                    }
                    return seen.and(e.cents());
                }))
                .by(ACCOUNTS);
    }

    /** Changed in place, and saved as a value. */
    static Projection<List<Integer>> inPlace(int version) {
        return Projection.of(
                        "in-place",
                        version,
                        Fold.<List<Integer>>fresh(ArrayList::new).change(Moved.class, (list, e) -> list.add(e.cents())))
                .savedAs(Seen.class, list -> new Seen(List.copyOf(list)), seen -> new ArrayList<>(seen.cents()));
    }

    /** A state for each key. */
    static Projection<Map<String, Integer>> balances(int version) {
        return Projection.keyed(
                        "balances",
                        version,
                        ACCOUNTS,
                        Fold.from(0)
                                .on(Moved.class, (sum, e) -> sum + e.cents() * version)
                                .on(Closed.class, (sum, e) -> Integer.MIN_VALUE),
                        sum -> sum == Integer.MIN_VALUE)
                .savedAs(Balances.class, map -> new Balances(new HashMap<>(map)), Balances::of);
    }
}
