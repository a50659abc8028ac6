package dev.cqrs.contract;

import static dev.cqrs.contract.Nulls.nullOf;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cqrs.event.Position;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import dev.cqrs.projection.CheckpointStore.Parked;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What every {@link CheckpointStore} must do, as tests: extend it and say how your store is made.
 *
 * <p>The states that are saved are strings.
 *
 * <p><b>Threads:</b> JUnit makes an instance for each test.
 */
public abstract class CheckpointStoreContract {

    private static final Checkpoint EARLY = new Checkpoint(1, Position.of(3), "three");
    private static final Checkpoint LATE = new Checkpoint(1, Position.of(7), "seven");

    private CheckpointStore store;

    /** For the tests of implementations. */
    protected CheckpointStoreContract() {}

    /**
     * Makes a new store without checkpoints.
     *
     * @return the store to be tested
     */
    protected abstract CheckpointStore emptyStore();

    @BeforeEach
    void open_an_empty_store() {
        store = emptyStore();
    }

    @Test
    void nothing_is_loaded_before_something_is_saved() {
        assertEquals(Optional.empty(), store.load("balances"));
        store.save("balances", EARLY);
        assertEquals(Optional.of(EARLY), store.load("balances"));
    }

    @Test
    void what_was_saved_is_loaded_again_and_again() {
        var odd = new Checkpoint(Integer.MAX_VALUE, Position.of(Long.MAX_VALUE), "Zustand \uD83D\uDE00 'x' \"y\" %");

        store.save("balances", odd);

        assertEquals(Optional.of(odd), store.load("balances"));
        assertEquals(Optional.of(odd), store.load("balances"));
    }

    @Test
    void a_checkpoint_at_the_start_with_an_empty_state_is_a_checkpoint() {
        var start = new Checkpoint(1, Position.START, "");

        store.save("balances", start);

        assertEquals(Optional.of(start), store.load("balances"));
    }

    @Test
    void a_save_replaces_what_was_saved_before() {
        store.save("balances", EARLY);
        store.save("balances", LATE);

        assertEquals(Optional.of(LATE), store.load("balances"));
    }

    @Test
    void the_last_save_wins_even_if_it_goes_back_to_an_earlier_position_or_version() {
        var newer = new Checkpoint(2, Position.of(9), "nine");

        store.save("balances", newer);
        store.save("balances", EARLY);

        assertEquals(Optional.of(EARLY), store.load("balances"));
    }

    @Test
    void what_was_deleted_is_gone_and_may_be_saved_anew() {
        store.save("balances", EARLY);
        store.delete("balances");
        assertEquals(Optional.empty(), store.load("balances"));

        store.save("balances", LATE);
        assertEquals(Optional.of(LATE), store.load("balances"));
    }

    @Test
    void deleting_what_was_never_saved_does_nothing() {
        store.save("balances", EARLY);

        store.delete("turnover");
        store.delete("turnover");

        assertEquals(Optional.empty(), store.load("turnover"));
        assertEquals(Optional.of(EARLY), store.load("balances"));
    }

    @Test
    void names_are_independent_of_each_other() {
        store.save("balances", EARLY);
        store.save("turnover", LATE);
        assertEquals(Optional.of(EARLY), store.load("balances"));
        assertEquals(Optional.of(LATE), store.load("turnover"));

        store.delete("balances");
        assertEquals(Optional.empty(), store.load("balances"));
        assertEquals(Optional.of(LATE), store.load("turnover"));
    }

    @Test
    void names_are_told_apart_by_each_character() {
        var names = List.of(
                "a",
                "A",
                "a ",
                " a",
                "ä",
                "a\u0308",
                "a%",
                "a_",
                "ab",
                "a'b",
                "a\"b",
                "a/b",
                "a\\b",
                "a_b",
                "a-b",
                "a.b",
                "a:b",
                "A/b",
                "a/B",
                "a/b ",
                "a/b/",
                "\uD83D\uDE00");
        for (int i = 0; i < names.size(); i++) {
            store.save(names.get(i), new Checkpoint(1, Position.of(i), names.get(i)));
        }

        for (int i = 0; i < names.size(); i++) {
            assertEquals(Optional.of(new Checkpoint(1, Position.of(i), names.get(i))), store.load(names.get(i)));
        }
    }

    @Test
    void long_names_are_told_apart_by_a_single_character() {
        // given names of 300 characters
        var names = new ArrayList<String>();
        for (var text : List.of("x".repeat(299), "ä".repeat(299), "\uD83D\uDE00".repeat(149) + "x")) {
            names.addAll(List.of(text + "a", text + "b", "a" + text, "b" + text));
        }

        // when
        for (int i = 0; i < names.size(); i++) {
            store.save(names.get(i), new Checkpoint(1, Position.of(i), "state " + i));
        }
        store.delete(names.get(0));

        // then
        assertEquals(Optional.empty(), store.load(names.get(0)));
        for (int i = 1; i < names.size(); i++) {
            assertEquals(Optional.of(new Checkpoint(1, Position.of(i), "state " + i)), store.load(names.get(i)));
            assertEquals(Optional.of(Position.of(i)), store.position(names.get(i)));
        }
    }

    @Test
    void events_that_were_put_aside_are_kept_with_the_state_until_a_save_without_them() {
        var parked = List.of(
                new Parked(
                        Position.of(3),
                        "java.lang.IllegalStateException: \"x\" \\ 'y'\r\nin two lines \uD83D\uDE00",
                        true),
                new Parked(Position.of(5), "", false),
                new Parked(Position.of(Long.MAX_VALUE), " ", false));
        var with = new Checkpoint(1, Position.of(7), "seven", parked);

        store.save("balances", with);
        store.save("turnover", EARLY);
        assertEquals(Optional.of(with), store.load("balances"));
        assertEquals(Optional.of(EARLY), store.load("turnover"));

        store.save("balances", LATE);
        assertEquals(Optional.of(LATE), store.load("balances"));

        store.save("balances", with);
        store.delete("balances");
        assertEquals(Optional.empty(), store.load("balances"));
        store.save("balances", LATE);
        assertEquals(Optional.of(LATE), store.load("balances"));
    }

    @Test
    void the_position_is_that_of_the_last_save() {
        assertEquals(Optional.empty(), store.position("balances"));
        store.save("balances", LATE);
        store.save("balances", EARLY);
        assertEquals(Optional.of(EARLY.position()), store.position("balances"));
        store.delete("balances");
        assertEquals(Optional.empty(), store.position("balances"));
    }

    @Test
    void what_was_put_aside_is_that_of_the_last_save() {
        assertEquals(List.of(), store.parked("balances"));
        var parked = List.of(new Parked(Position.of(2), "why", true), new Parked(Position.of(3), "", false));
        store.save("balances", new Checkpoint(EARLY.version(), EARLY.position(), EARLY.state(), parked));
        store.save("other", EARLY);
        assertEquals(parked, store.parked("balances"));
        assertEquals(List.of(), store.parked("other"));
        store.save("balances", LATE);
        assertEquals(List.of(), store.parked("balances"));

        store.save("balances", new Checkpoint(EARLY.version(), EARLY.position(), EARLY.state(), parked));
        store.delete("balances");
        assertEquals(List.of(), store.parked("balances"));
        store.save("balances", LATE);
        assertEquals(List.of(), store.parked("balances"));
    }

    @Test
    void nulls_are_refused_and_change_nothing() {
        store.save("balances", EARLY);
        var noName = nullOf(String.class);

        assertAll(
                () -> assertThrows(NullPointerException.class, () -> store.load(noName)),
                () -> assertThrows(NullPointerException.class, () -> store.position(noName)),
                () -> assertThrows(NullPointerException.class, () -> store.parked(noName)),
                () -> assertThrows(NullPointerException.class, () -> store.save(noName, LATE)),
                () -> assertThrows(NullPointerException.class, () -> store.save("balances", nullOf(Checkpoint.class))),
                () -> assertThrows(NullPointerException.class, () -> store.delete(noName)));

        assertEquals(Optional.of(EARLY), store.load("balances"));
    }

    @Test
    void threads_that_save_under_names_of_their_own_do_not_disturb_each_other() {
        int threads = 4;
        int saves = 250;

        var wrong = Together.<List<Object>>run(threads, thread -> () -> {
            var found = new ArrayList<Object>();
            for (int i = 0; i < saves; i++) {
                var mine = new Checkpoint(thread, Position.of(i), "state " + i);
                store.save("projection " + thread, mine);
                var loaded = store.load("projection " + thread);
                if (!loaded.equals(Optional.of(mine))) {
                    found.add(loaded);
                }
                if (i % 10 == 0) {
                    store.delete("projection " + thread);
                    store.save("projection " + thread, mine);
                }
            }
            return found;
        });

        assertEquals(List.of(), wrong.stream().flatMap(List::stream).toList());
        for (int thread = 0; thread < threads; thread++) {
            assertEquals(
                    Optional.of(new Checkpoint(thread, Position.of(saves - 1), "state " + (saves - 1))),
                    store.load("projection " + thread));
        }
    }

    @Test
    void what_is_loaded_while_others_save_was_saved_as_a_whole() {
        // given
        int writers = 3;
        int changes = 100;
        var going = new AtomicBoolean(true);
        store.save("balances", new Checkpoint(0, Position.START, "0 at 0"));

        // when three threads save until one that loads has seen enough of it, however seldom it gets a processor
        var found = Together.<List<Checkpoint>>run(writers + 1, thread -> () -> {
            try {
                return thread < writers ? List.of(lastSaved(thread, going)) : brokenAmong(changes, going);
            } finally {
                going.set(false);
            }
        });

        // then
        assertEquals(List.of(), found.get(writers), "saved by nobody");
        var last = found.stream().flatMap(List::stream).toList();
        assertTrue(last.contains(store.load("balances").orElseThrow()), () -> "not one of the last saves: " + last);
    }

    private Checkpoint lastSaved(int thread, AtomicBoolean going) {
        for (int i = 0; ; i++) {
            var checkpoint = new Checkpoint(thread, Position.of(i), thread + " at " + i);
            store.save("balances", checkpoint);
            if (isOver(going)) {
                return checkpoint;
            }
        }
    }

    /** Loads until it was another checkpoint than before so many times, or one that is not whole. */
    private List<Checkpoint> brokenAmong(int changes, AtomicBoolean going) {
        var before = new Checkpoint(0, Position.START, "0 at 0");
        for (int seen = 0; seen < changes && !isOver(going); ) {
            var loaded = store.load("balances").orElseThrow(() -> new AssertionError("What was saved is not there."));
            if (!isWhole(loaded)) {
                return List.of(loaded);
            }
            seen += loaded.equals(before) ? 0 : 1;
            before = loaded;
        }
        return List.of();
    }

    /** Whether one of the threads has ended, or nobody waits for them any more. */
    private static boolean isOver(AtomicBoolean going) {
        return !going.get() || Thread.currentThread().isInterrupted();
    }

    private static boolean isWhole(Checkpoint checkpoint) {
        return checkpoint.state().equals(checkpoint.version() + " at " + checkpoint.position());
    }
}
