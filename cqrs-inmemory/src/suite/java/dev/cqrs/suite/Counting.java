package dev.cqrs.suite;

import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import java.util.concurrent.atomic.AtomicInteger;

/** A store that counts what is read, and what of it is open: over a database each stream holds a connection. */
public final class Counting extends Fronted {

    /** How many streams and subscriptions are open. */
    public final AtomicInteger open = new AtomicInteger();

    /** How many streams and subscriptions were opened so far. */
    public final AtomicInteger opened = new AtomicInteger();

    /** How many events were read so far, of all streams. */
    public final AtomicInteger events = new AtomicInteger();

    /** How many events the longest stream had. */
    public final AtomicInteger longest = new AtomicInteger();

    /** Counts from zero. */
    public Counting(EventStore store) {
        super(store);
    }

    @Override
    public EventStream read(EventQuery query, ReadOptions options) {
        open();
        return new Stream(super.read(query, options)) {
            private int length;

            @Override
            public boolean advance() {
                boolean advanced = super.advance();
                if (advanced) {
                    events.incrementAndGet();
                    longest.accumulateAndGet(++length, Math::max);
                }
                return advanced;
            }

            @Override
            public void close() {
                open.decrementAndGet();
                super.close();
            }
        };
    }

    @Override
    public Subscription onAppend(Signal signal) {
        open();
        var subscription = super.onAppend(signal);
        return () -> {
            open.decrementAndGet();
            subscription.close();
        };
    }

    private void open() {
        open.incrementAndGet();
        opened.incrementAndGet();
    }
}
