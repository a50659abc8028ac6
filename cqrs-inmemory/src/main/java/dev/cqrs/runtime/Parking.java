package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import dev.cqrs.projection.CheckpointStore;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The events of a projection that were put aside, in the order of the log: immutable, so that a batch which is dropped
 * leaves nothing behind, and as short as the delivery's bound says.
 */
record Parking(List<Item> items, Set<Object> keys) {

    static final Parking NONE = new Parking(List.of(), Set.of());

    /**
     * One stored event, with the keys of all that it was split into; without a reason it only follows another of its key.
     */
    record Item(long position, List<Object> keys, String reason, boolean effectDue) {

        ProjectionView.Parked shown() {
            return new ProjectionView.Parked(
                    Position.of(position), keys.get(0), reason.isEmpty() ? Optional.empty() : Optional.of(reason));
        }

        CheckpointStore.Parked saved() {
            return new CheckpointStore.Parked(Position.of(position), reason, effectDue);
        }
    }

    static Parking of(List<Item> items) {
        return items.isEmpty()
                ? NONE
                : new Parking(
                        List.copyOf(items),
                        items.stream().flatMap(item -> item.keys().stream()).collect(Collectors.toUnmodifiableSet()));
    }

    boolean isEmpty() {
        return items.isEmpty();
    }

    boolean holdsAnyOf(List<Object> some) {
        for (var one : some) { // asked for each event while something is put aside
            if (keys.contains(one)) {
                return true;
            }
        }
        return false;
    }

    Parking with(Item item) {
        var more = new ArrayList<>(items);
        more.add(item);
        return of(more);
    }

    Parking without(long position) {
        return of(items.stream().filter(item -> item.position() != position).toList());
    }

    /** With another reason for one event. */
    Parking because(long position, String reason) {
        return of(items.stream()
                .map(item ->
                        item.position() == position ? new Item(position, item.keys(), reason, item.effectDue()) : item)
                .toList());
    }

    boolean holds(long position) {
        return items.stream().anyMatch(item -> item.position() == position);
    }

    /** With the effect of one event due, or not any more. */
    Parking due(long position, boolean due) {
        return of(items.stream()
                .map(item -> item.position() == position ? new Item(position, item.keys(), item.reason(), due) : item)
                .toList());
    }

    /** Those of a key, and of the keys that they share an event with, as each key has its events in order. */
    List<Item> of(Object key) {
        var wanted = new HashSet<>(Set.of(key));
        List<Item> found = List.of();
        boolean more = true;
        while (more) {
            found = items.stream()
                    .filter(item -> item.keys().stream().anyMatch(wanted::contains))
                    .toList();
            more = false;
            for (var item : found) {
                more |= wanted.addAll(item.keys());
            }
        }
        return found;
    }

    List<CheckpointStore.Parked> saved() {
        return items.stream().map(Item::saved).toList();
    }
}
