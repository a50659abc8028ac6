package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import dev.cqrs.projection.CheckpointStore;
import java.util.ArrayList;
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

    /** One event; without a reason it only follows another of its key. */
    record Item(long position, Object key, String reason) {

        ProjectionView.Parked shown() {
            return new ProjectionView.Parked(
                    Position.of(position), key, reason.isEmpty() ? Optional.empty() : Optional.of(reason));
        }

        CheckpointStore.Parked saved() {
            return new CheckpointStore.Parked(Position.of(position), reason);
        }
    }

    static Parking of(List<Item> items) {
        return items.isEmpty()
                ? NONE
                : new Parking(
                        List.copyOf(items), items.stream().map(Item::key).collect(Collectors.toUnmodifiableSet()));
    }

    boolean isEmpty() {
        return items.isEmpty();
    }

    boolean holds(Object key) {
        return keys.contains(key);
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
                .map(item -> item.position() == position ? new Item(position, item.key(), reason) : item)
                .toList());
    }

    List<Item> of(Object key) {
        return items.stream().filter(item -> item.key().equals(key)).toList();
    }

    List<CheckpointStore.Parked> saved() {
        return items.stream().map(Item::saved).toList();
    }
}
