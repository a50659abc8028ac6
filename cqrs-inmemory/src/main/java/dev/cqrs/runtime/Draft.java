package dev.cqrs.runtime;

import dev.cqrs.event.Fold;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Each;
import dev.cqrs.projection.Projection.Keys;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A view's next state, while events are folded into it: one object for all the states that come one after the other.
 *
 * <p>Used under the lock of its {@link Follower}.
 *
 * @param <V> the view
 */
abstract sealed class Draft<V> {

    static <V> Draft<V> of(Projection<V> projection, int workers) {
        if (projection.each().isEmpty()) {
            return new OfOne<>(projection);
        }
        @SuppressWarnings("unchecked") // the view of such a projection is a map
        var keyed = (Draft<V>)
                OfKeys.of(projection.keys().orElseThrow(), projection.each().orElseThrow(), workers);
        return keyed;
    }

    /** The state before any event. */
    abstract V initial();

    /** A state that was saved, as one to go on from. */
    abstract V restored(V saved);

    abstract void begin(V state);

    /** Folds an event; leaves the draft as it was if that throws, unless the fold changes its state in place. */
    abstract void apply(Object event);

    /**
     * Folds events, up to the first that throws, or until told to stop; gives how many were folded. Where one has thrown,
     * {@link #taken()} tells, and the draft can go on behind it.
     */
    abstract int applyAll(Object[] events, int from, int to);

    abstract int taken();

    /** What a stream can fold with by itself, if there is such. */
    Fold.@Nullable Run<V> run() {
        return null;
    }

    /** Ends {@link #applyAll} and {@link #applyTogether} before the next event, for good. */
    abstract void stop();

    /** The state that has come of it; to go on, begin again. */
    abstract V end();

    /** Whether {@link #applyTogether} does more than one event at a time. */
    boolean hasWorkers() {
        return false;
    }

    /** Folds many events, or some, if told to stop; where that throws, the draft is of no use any more. */
    void applyTogether(Object[] events, int count, Executor executor, Workers.Fence fence) {
        throw new UnsupportedOperationException();
    }

    /** A state that is folded as a whole. */
    private static final class OfOne<V> extends Draft<V> {
        private final Fold<V> fold;
        private final Fold.Run<V> run;

        OfOne(Projection<V> projection) {
            this.fold = projection.fold();
            this.run = fold.run(fold.initial());
        }

        @Override
        V initial() {
            return run.state();
        }

        @Override
        V restored(V saved) {
            return saved;
        }

        @Override
        void begin(V state) {
            run.from(state);
        }

        @Override
        void apply(Object event) {
            run.from(fold.apply(run.state(), event));
        }

        @Override
        Fold.Run<V> run() {
            return run;
        }

        @Override
        int applyAll(Object[] events, int from, int to) {
            return run.take(events, from, to);
        }

        @Override
        int taken() {
            return run.taken();
        }

        @Override
        void stop() {
            run.stop();
        }

        @Override
        V end() {
            return run.state();
        }
    }

    /** A state for each key. */
    private static final class OfKeys<K, S> extends Draft<Map<K, S>> {
        private final Keys<K> keys;
        private final Each<S> each;
        private final int most;
        private final Workers workers;

        /** What the fold does with a class of events, by which this looks it up too: {@link #none}, where it has no step. */
        private final ConcurrentHashMap<Class<?>, Fold.Step<S>> steps = new ConcurrentHashMap<>();

        private final Fold.Step<S> none = (state, event) -> state;

        private int taken;
        private volatile boolean stopped;
        private KeyedMap.Edit<K, S> edit = KeyedMap.<K, S>empty().edit();

        private OfKeys(Keys<K> keys, Each<S> each, int workers) {
            this.keys = keys;
            this.each = each;
            this.most = workers;
            this.workers = new Workers(workers);
        }

        static <K, S> OfKeys<K, S> of(Keys<K> keys, Each<S> each, int workers) {
            return new OfKeys<>(keys, each, workers);
        }

        @Override
        Map<K, S> initial() {
            return KeyedMap.empty();
        }

        @Override
        Map<K, S> restored(Map<K, S> saved) {
            return saved instanceof KeyedMap ? saved : KeyedMap.copyOf(saved);
        }

        @Override
        void begin(Map<K, S> state) {
            edit = ((KeyedMap<K, S>) state).edit();
        }

        @Override
        void apply(Object event) {
            var step = stepFor(event);
            if (step != none) {
                var key = keys.of(event);
                apply(edit.whole(), KeyedMap.hash(key), key, event, step);
            }
        }

        /** An event that is none of the fold's, but of an effect's or of a wider query's, adds no key to the view. */
        private Fold.Step<S> stepFor(Object event) {
            var step = steps.get(event.getClass());
            return step != null ? step : resolve(event.getClass());
        }

        private Fold.Step<S> resolve(Class<?> type) {
            boolean matters = each.fold().types().stream().anyMatch(above -> above.isAssignableFrom(type));
            var step = matters ? each.fold().stepFor(type) : none;
            steps.put(type, step);
            return step;
        }

        @Override
        int applyAll(Object[] events, int from, int to) {
            for (taken = 0; taken < to - from && !stopped; taken++) {
                apply(events[from + taken]);
            }
            return taken;
        }

        @Override
        int taken() {
            return taken;
        }

        @Override
        void stop() {
            stopped = true;
        }

        private void apply(KeyedMap.Share<K, S> share, int hash, K key, Object event, Fold.Step<S> step) {
            var before = share.get(hash, key);
            var after = step.apply(before == null ? each.fold().initial() : before, event);
            Predicate<? super S> gone = each.gone();
            if (gone.test(after)) {
                share.remove(hash, key);
            } else {
                share.put(hash, key, after);
            }
        }

        @Override
        Map<K, S> end() {
            return edit.done();
        }

        @Override
        boolean hasWorkers() {
            return most > 1;
        }

        /** Each part has the keys below some of the trie's roots, so that no two touch the same. */
        @Override
        void applyTogether(Object[] events, int count, Executor executor, Workers.Fence fence) {
            @SuppressWarnings("unchecked") // filled with keys right here
            var keysOf = (K[]) new Object[count];
            var hashes = new int[count];
            for (int i = 0; i < count; i++) {
                var key = keys.find(events[i]);
                if (key.isPresent()) {
                    keysOf[i] = key.get();
                    hashes[i] = KeyedMap.hash(keysOf[i]);
                } else if (stepFor(events[i]) != none) {
                    keys.of(events[i]); // says what is missing
                }
            }
            int parts = Math.min(KeyedMap.ROOTS, most * 2);
            @SuppressWarnings({"unchecked", "rawtypes"}) // an array of a generic type
            KeyedMap.Share<K, S>[] shares = new KeyedMap.Share[parts];
            for (int part = 0; part < parts; part++) {
                shares[part] = edit.share();
            }
            workers.run(parts, executor, fence, part -> {
                for (int i = 0; i < count && !stopped; i++) {
                    if (keysOf[i] != null && KeyedMap.root(hashes[i]) % parts == part) {
                        var step = stepFor(events[i]); // here, as the keys are looked up by one thread for all
                        if (step != none) {
                            apply(shares[part], hashes[i], keysOf[i], events[i], step);
                        }
                    }
                }
            });
            for (var share : shares) {
                edit.join(share);
            }
        }
    }
}
