package dev.cqrs.examples.transfers;

import dev.cqrs.runtime.Delivery;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.Comparator;
import java.util.PriorityQueue;
import java.util.concurrent.Executor;

/**
 * A month that takes a second: a clock that goes on to whatever is next on the agenda, which runs on the thread that asks
 * for it.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
final class Agenda extends Clock implements Executor, Delivery.Timer {

    private record Item(Instant at, long number, Runnable task) {}

    private final PriorityQueue<Item> items =
            new PriorityQueue<>(Comparator.comparing(Item::at).thenComparing(Item::number));
    private Instant now;
    private long numbered;

    Agenda(Instant start) {
        now = start;
    }

    @Override
    public void execute(Runnable task) {
        schedule(Duration.ZERO, task);
    }

    @Override
    public void schedule(Duration delay, Runnable task) {
        items.add(new Item(now.plus(delay), numbered++, task));
    }

    /** Has everything run that comes before an instant, and makes it that instant. */
    void runUntil(Instant end) {
        for (var next = items.peek(); next != null && next.at().isBefore(end); next = items.peek()) {
            runNext();
        }
        now = end;
    }

    /** Has everything run. */
    void runAll() {
        while (!items.isEmpty()) {
            runNext();
        }
    }

    private void runNext() {
        var item = items.remove();
        now = item.at();
        item.task().run();
    }

    @Override
    public Instant instant() {
        return now;
    }

    @Override
    public ZoneId getZone() {
        return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
        throw new UnsupportedOperationException("The agenda is kept in UTC.");
    }
}
