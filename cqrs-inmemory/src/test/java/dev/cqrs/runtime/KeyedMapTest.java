package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.SplittableRandom;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

/** The map that readers of a keyed view see, beside a map of the JDK. */
class KeyedMapTest {

    /** Keys of few hashes, so that collisions of two, three and more keys are made and resolved. */
    record Clumsy(int number) {
        @Override
        public int hashCode() {
            return number % 5 == 0 ? 0 : number % 11 << 27;
        }
    }

    @Test
    void it_is_what_a_map_is_whatever_is_put_and_removed_and_its_older_copies_stay() {
        for (long seed = 1; seed <= 60; seed++) {
            var random = new SplittableRandom(seed);
            int range = 1 + random.nextInt(400);
            boolean clumsy = random.nextBoolean();
            var map = KeyedMap.<Object, Integer>empty();
            var model = new HashMap<Object, Integer>();
            var copies = new ArrayList<Map<Object, Integer>>();
            var models = new ArrayList<Map<Object, Integer>>();
            for (int batch = 0; batch < 30; batch++) {
                copies.add(map);
                models.add(new HashMap<>(model));
                var edit = map.edit();
                for (int i = random.nextInt(60); i > 0; i--) {
                    int number = random.nextInt(range);
                    Object key = clumsy ? new Clumsy(number) : Integer.valueOf(number * 31);
                    if (random.nextInt(3) == 0) {
                        edit.whole().remove(KeyedMap.hash(key), key);
                        model.remove(key);
                    } else {
                        edit.put(key, i);
                        model.put(key, i);
                    }
                    assertThat(edit.whole().get(KeyedMap.hash(key), key)).isEqualTo(model.get(key));
                }
                map = edit.done();
                assertThat(map).as("seed %d", seed).isEqualTo(model);
                assertThat(map.size()).as("seed %d", seed).isEqualTo(model.size());
                assertThat(new HashMap<>(map)).isEqualTo(model);
                assertThat(map.entrySet()).isEqualTo(model.entrySet());
            }
            assertThat(copies).as("seed %d", seed).isEqualTo(models);
        }
    }

    @Test
    void threads_that_change_keys_below_different_roots_do_not_disturb_each_other() throws Exception {
        var threads = Executors.newFixedThreadPool(4);
        try {
            var before = KeyedMap.copyOf(Map.of(1, "one", 2, "two", 3, "three"));
            var edit = before.edit();
            var shares = new ArrayList<KeyedMap.Share<Integer, String>>();
            var done = new ArrayList<java.util.concurrent.Future<?>>();
            for (int part = 0; part < 4; part++) {
                int own = part;
                var share = edit.share();
                shares.add(share);
                done.add(threads.submit(() -> {
                    for (int key = 0; key < 20_000; key++) {
                        int hash = KeyedMap.hash(key);
                        if (KeyedMap.root(hash) % 4 == own) {
                            share.put(hash, key, "new " + key);
                        }
                    }
                }));
            }
            for (var each : done) {
                each.get();
            }
            shares.forEach(edit::join);
            var after = edit.done();

            assertThat(after).hasSize(20_000).containsEntry(19_999, "new 19999").containsEntry(2, "new 2");
            assertThat(before).isEqualTo(Map.of(1, "one", 2, "two", 3, "three"));
        } finally {
            threads.shutdown();
        }
    }

    @Test
    void keys_that_differ_in_few_bits_are_spread_over_all_roots() {
        for (int step : List.of(1, 32, 1 << 10)) {
            var roots = new HashSet<Integer>();
            for (int i = 0; i < 1_000; i++) {
                roots.add(KeyedMap.root(KeyedMap.hash(i * step)));
            }
            assertThat(roots).as("a key every %d", step).hasSize(KeyedMap.ROOTS);
        }
    }

    @Test
    void it_is_never_changed_from_outside_and_knows_no_nulls() {
        var map = KeyedMap.copyOf(Map.of("a", 1));
        for (var call : List.<org.assertj.core.api.ThrowableAssert.ThrowingCallable>of(
                () -> map.put("b", 2),
                () -> map.remove("a"),
                map::clear,
                () -> map.entrySet().iterator().next().setValue(3),
                () -> map.entrySet().iterator().remove())) {
            assertThatThrownBy(call).isInstanceOf(UnsupportedOperationException.class);
        }
        assertThat(map.containsKey(null)).isFalse();
        assertThat(map.get("c")).isNull();
        var entries = map.entrySet().iterator();
        entries.next();
        assertThatThrownBy(entries::next).isInstanceOf(NoSuchElementException.class);
        assertThat(KeyedMap.empty()).isEmpty();
    }
}
