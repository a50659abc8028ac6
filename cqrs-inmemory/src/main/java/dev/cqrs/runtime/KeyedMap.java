package dev.cqrs.runtime;

import java.util.AbstractMap;
import java.util.AbstractSet;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * An immutable map of which changed copies share most of the original: what readers of a keyed view see.
 *
 * @param <K> the keys
 * @param <S> the states
 */
final class KeyedMap<K, S> extends AbstractMap<K, S> {

    /*
     * A trie of hashes, five bits a level. The first level is an array of 32 that is always there, so that an edit can be
     * shared out: threads that change keys below different indices of it touch nothing in common. A node that an edit has
     * made bears its mark and is changed in place by it from then on; all others are copied first.
     */

    private static final int BITS = 5;
    static final int ROOTS = 1 << BITS;
    private static final KeyedMap<Object, Object> EMPTY = new KeyedMap<>(new Object[ROOTS], 0);

    /** Each {@code null}, a {@link Leaf}, {@link Branch} or {@link Collision}. */
    private final @Nullable Object[] roots;

    private final int size;

    private KeyedMap(@Nullable Object[] roots, int size) {
        this.roots = roots;
        this.size = size;
    }

    @SuppressWarnings("unchecked") // it holds nothing
    static <K, S> KeyedMap<K, S> empty() {
        return (KeyedMap<K, S>) EMPTY;
    }

    static <K, S> KeyedMap<K, S> copyOf(Map<? extends K, ? extends S> map) {
        var edit = KeyedMap.<K, S>empty().edit();
        map.forEach(edit::put);
        return edit.done();
    }

    private record Leaf(int hash, Object key, Object state) {}

    private static final class Branch {
        private final Object owner;
        private int bitmap;
        private Object[] below;

        Branch(Object owner, int bitmap, Object[] below) {
            this.owner = owner;
            this.bitmap = bitmap;
            this.below = below;
        }

        int index(int bit) {
            return Integer.bitCount(bitmap & (bit - 1));
        }
    }

    /** Keys of one hash, two or more. */
    private static final class Collision {
        private final int hash;
        private final Leaf[] leaves;

        Collision(int hash, Leaf[] leaves) {
            this.hash = hash;
            this.leaves = leaves;
        }
    }

    static int root(int hash) {
        return hash & (ROOTS - 1);
    }

    /** Keys such as numbers differ in few bits; these are spread over all. */
    static int hash(Object key) {
        int hash = key.hashCode() * 0x9E3779B9;
        return hash ^ (hash >>> 15);
    }

    private static int bit(int hash, int shift) {
        return 1 << ((hash >>> shift) & (ROOTS - 1));
    }

    private static @Nullable Leaf find(@Nullable Object node, int hash, Object key) {
        var at = node;
        for (int shift = BITS; at instanceof Branch branch; shift += BITS) {
            int bit = bit(hash, shift);
            at = (branch.bitmap & bit) == 0 ? null : branch.below[branch.index(bit)];
        }
        if (at instanceof Leaf leaf) {
            return leaf.hash == hash && leaf.key.equals(key) ? leaf : null;
        }
        if (at instanceof Collision collision && collision.hash == hash) {
            for (var leaf : collision.leaves) {
                if (leaf.key.equals(key)) {
                    return leaf;
                }
            }
        }
        return null;
    }

    @Override
    @SuppressWarnings("unchecked") // only states are kept
    public @Nullable S get(@Nullable Object key) {
        if (key == null) {
            return null;
        }
        int hash = hash(key);
        var leaf = find(roots[root(hash)], hash, key);
        return leaf == null ? null : (S) leaf.state;
    }

    @Override
    public boolean containsKey(@Nullable Object key) {
        return get(key) != null;
    }

    @Override
    public int size() {
        return size;
    }

    Edit<K, S> edit() {
        return new Edit<>(this);
    }

    /**
     * A copy while it is being changed. Several threads may change keys of different {@linkplain #root roots} at once, each
     * through a {@link Share} of its own.
     */
    static final class Edit<K, S> {
        private final @Nullable Object[] roots;
        private final Share<K, S> whole = new Share<>(this);

        /** Apart from the edit itself, which would keep alive all that it has replaced. */
        private final Object mark = new Object();

        private int size;

        private Edit(KeyedMap<K, S> map) {
            this.roots = map.roots.clone();
            this.size = map.size;
        }

        void put(K key, S state) {
            whole.put(hash(key), key, state);
        }

        Share<K, S> share() {
            return new Share<>(this);
        }

        Share<K, S> whole() {
            return whole;
        }

        /** Ends the sharing of one, whose changes the calling thread sees. */
        void join(Share<K, S> share) {
            size += share.added;
            share.added = 0;
        }

        /** No change may follow. */
        KeyedMap<K, S> done() {
            join(whole);
            return new KeyedMap<>(roots, size);
        }
    }

    /** One thread's part in an edit. */
    static final class Share<K, S> {
        private final Edit<K, S> edit;
        private int added;

        private Share(Edit<K, S> edit) {
            this.edit = edit;
        }

        @Nullable
        @SuppressWarnings("unchecked") // only states are kept
        S get(int hash, K key) {
            var leaf = find(edit.roots[root(hash)], hash, key);
            return leaf == null ? null : (S) leaf.state;
        }

        void put(int hash, K key, S state) {
            var leaf = new Leaf(hash, key, Objects.requireNonNull(state, "state"));
            int root = root(hash);
            edit.roots[root] = with(edit.roots[root], BITS, leaf);
        }

        void remove(int hash, K key) {
            int root = root(hash);
            if (find(edit.roots[root], hash, key) != null) {
                edit.roots[root] = without(edit.roots[root], BITS, hash, key);
                added--;
            }
        }

        private Object with(@Nullable Object node, int shift, Leaf leaf) {
            if (node == null) {
                added++;
                return leaf;
            }
            if (node instanceof Branch branch) {
                return with(branch, shift, leaf);
            }
            if (node instanceof Leaf other) {
                if (other.hash == leaf.hash && other.key.equals(leaf.key)) {
                    return leaf;
                }
                added++;
                return other.hash == leaf.hash
                        ? new Collision(leaf.hash, new Leaf[] {other, leaf})
                        : apart(other, other.hash, shift, leaf);
            }
            var collision = (Collision) node;
            if (collision.hash != leaf.hash) {
                added++;
                return apart(collision, collision.hash, shift, leaf);
            }
            for (int i = 0; i < collision.leaves.length; i++) {
                if (collision.leaves[i].key.equals(leaf.key)) {
                    var leaves = collision.leaves.clone();
                    leaves[i] = leaf;
                    return new Collision(leaf.hash, leaves);
                }
            }
            added++;
            var leaves = Arrays.copyOf(collision.leaves, collision.leaves.length + 1);
            leaves[leaves.length - 1] = leaf;
            return new Collision(leaf.hash, leaves);
        }

        private Branch with(Branch branch, int shift, Leaf leaf) {
            var own = own(branch);
            int bit = bit(leaf.hash, shift);
            int index = own.index(bit);
            if ((own.bitmap & bit) != 0) {
                own.below[index] = with(own.below[index], shift + BITS, leaf);
                return own;
            }
            var below = new Object[own.below.length + 1];
            System.arraycopy(own.below, 0, below, 0, index);
            below[index] = leaf;
            System.arraycopy(own.below, index, below, index + 1, own.below.length - index);
            own.below = below;
            own.bitmap |= bit;
            added++;
            return own;
        }

        /** Two that differ in some bit of their hashes from here on. */
        private Branch apart(Object node, int hash, int shift, Leaf leaf) {
            int one = bit(hash, shift);
            int other = bit(leaf.hash, shift);
            if (one == other) {
                return new Branch(edit.mark, one, new Object[] {apart(node, hash, shift + BITS, leaf)});
            }
            // as unsigned: the bit of index 31 is the greatest
            var below = Integer.compareUnsigned(one, other) < 0 ? new Object[] {node, leaf} : new Object[] {leaf, node};
            return new Branch(edit.mark, one | other, below);
        }

        private @Nullable Object without(@Nullable Object node, int shift, int hash, Object key) {
            if (node instanceof Branch branch) {
                int bit = bit(hash, shift);
                int index = branch.index(bit);
                var left = without(branch.below[index], shift + BITS, hash, key);
                if (left == null && branch.below.length == 1) {
                    return null;
                }
                if (left == null && branch.below.length == 2 && !(branch.below[1 - index] instanceof Branch)) {
                    return branch.below[1 - index];
                }
                if (left != null && branch.below.length == 1 && !(left instanceof Branch)) {
                    return left;
                }
                var own = own(branch);
                if (left != null) {
                    own.below[index] = left;
                    return own;
                }
                var below = new Object[own.below.length - 1];
                System.arraycopy(own.below, 0, below, 0, index);
                System.arraycopy(own.below, index + 1, below, index, below.length - index);
                own.below = below;
                own.bitmap &= ~bit;
                return own;
            }
            if (node instanceof Collision collision) {
                var leaves = Arrays.stream(collision.leaves)
                        .filter(leaf -> !leaf.key.equals(key))
                        .toArray(Leaf[]::new);
                return leaves.length == 1 ? leaves[0] : new Collision(hash, leaves);
            }
            return null;
        }

        private Branch own(Branch branch) {
            return branch.owner == edit.mark ? branch : new Branch(edit.mark, branch.bitmap, branch.below.clone());
        }
    }

    @Override
    public Set<Entry<K, S>> entrySet() {
        return new AbstractSet<>() {
            @Override
            public Iterator<Entry<K, S>> iterator() {
                return new Entries<>(roots);
            }

            @Override
            public int size() {
                return size;
            }
        };
    }

    /** Walks over the leaves; deeper than 32 bits of hash go no branches. */
    private static final class Entries<K, S> implements Iterator<Entry<K, S>> {
        private static final int DEPTH = 32 / BITS + 2;
        private final @Nullable Object[][] nodes = new Object[DEPTH + 1][];
        private final int[] next = new int[DEPTH + 1];
        private int depth;
        private @Nullable Leaf found;

        Entries(@Nullable Object[] roots) {
            nodes[0] = roots;
            search();
        }

        private void search() {
            found = null;
            while (depth >= 0 && found == null) {
                var level = nodes[depth];
                if (next[depth] == level.length) {
                    depth--;
                    continue;
                }
                var node = level[next[depth]++];
                if (node instanceof Leaf leaf) {
                    found = leaf;
                } else if (node != null) {
                    depth++;
                    nodes[depth] = node instanceof Branch branch ? branch.below : ((Collision) node).leaves;
                    next[depth] = 0;
                }
            }
        }

        @Override
        public boolean hasNext() {
            return found != null;
        }

        @Override
        public Entry<K, S> next() {
            var leaf = found;
            if (leaf == null) {
                throw new NoSuchElementException("The map has no more entries.");
            }
            search();
            @SuppressWarnings("unchecked") // only keys and states are kept
            var entry = Map.entry((K) leaf.key, (S) leaf.state);
            return entry;
        }
    }
}
