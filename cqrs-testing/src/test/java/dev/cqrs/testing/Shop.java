package dev.cqrs.testing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;

/**
 * A small application to simulate: goods come into a shop and go out, and of each movement one mail is sent. It can be made
 * with a bug.
 */
final class Shop implements Simulation.World<Shop.Move> {

    /** Goods come in, or go out. */
    record Move(int pieces) {}

    record Moved(String id, int pieces) {}

    enum Bug {
        NONE,
        LOST_UPDATE,
        FORGOTTEN_ID,
        CHECKPOINT_FIRST,
        MAIL_WITHOUT_ID,
        MISSED_WAKE_UP,
        THREAD,
        SYSTEM_CLOCK
    }

    private final Bug bug;

    // what survives
    private final EventStore log;
    private final CheckpointStore checkpoints = new KitContractsTest.Kept();
    private final Map<String, Integer> mails = new LinkedHashMap<>();

    // what is expected
    private final Set<String> accepted = new HashSet<>();

    private App app;

    @SuppressWarnings("NullAway.Init") // started before anything is done
    Shop(Bug bug, Clock clock) {
        this.bug = bug;
        this.log = new ListedEvents(
                Catalog.builder().event("moved", Moved.class).build(),
                bug == Bug.SYSTEM_CLOCK ? Clock.systemUTC() : clock);
    }

    static Simulation<Move, Shop> simulation(Bug bug) {
        return Simulation.<Move, Shop>of(clock -> new Shop(bug, clock))
                .action("in", 2, random -> new Move(random.nextInt(1, 10)))
                .action("out", 3, random -> new Move(-random.nextInt(1, 10)));
    }

    @Override
    public void start(Simulation.Host host) {
        app = new App(host);
    }

    @Override
    public Object perform(Move move, String id) {
        return app.move(move, id);
    }

    @Override
    public void done(Move move, String id, Object result) {
        accepted.add(id);
    }

    @Override
    public void refused(Move move, String id, Exception thrown) {
        assertThat(thrown).isInstanceOf(IllegalStateException.class).hasMessageStartingWith("only ");
        assertThat(accepted).doesNotContain(id);
    }

    @Override
    public void unknown(Move move, String id) {}

    private List<Moved> moved() {
        try (var events = log.read(EventQuery.all())) {
            return events.toList().stream().map(e -> (Moved) e.event()).toList();
        }
    }

    @Override
    public void check() {
        int stock = 0;
        for (var moved : moved()) {
            stock += moved.pieces();
            if (stock < 0) {
                throw new AssertionError("stock is " + stock);
            }
        }
    }

    @Override
    public void checkAtRest() {
        var ids = moved().stream().map(Moved::id).toList();
        assertThat(ids).as("moves").doesNotHaveDuplicates().containsExactlyInAnyOrderElementsOf(accepted);
        assertThat(mails).as("mails").containsOnlyKeys(ids);
        mails.forEach((id, count) -> {
            if (count > 1) {
                throw new AssertionError("mails of " + id + " were sent twice");
            }
        });
    }

    /** What dies when the process crashes. */
    private final class App {
        private final Simulation.Host host;
        private final EventStore log;
        private final CheckpointStore saved;
        private final Executor executor;
        private boolean working;

        App(Simulation.Host host) {
            this.host = host;
            this.log = host.around(Shop.this.log);
            this.saved = host.around(checkpoints);
            this.executor = host.executor("mails");
            log.onAppend(last -> wake());
            wake();
        }

        Object move(Move move, String id) {
            if (bug == Bug.THREAD) {
                return inThread(() -> moveNow(move, id));
            }
            return moveNow(move, id);
        }

        private Object moveNow(Move move, String id) {
            for (; ; ) {
                int stock = 0;
                boolean known = false;
                AppendCondition unchanged;
                try (var events = log.read(EventQuery.all())) {
                    while (events.advance()) {
                        var moved = (Moved) events.event();
                        stock += moved.pieces();
                        known |= moved.id().equals(id);
                    }
                    unchanged = events.unchanged();
                }
                if (known && bug != Bug.FORGOTTEN_ID) {
                    return "as before";
                }
                if (stock + move.pieces() < 0) {
                    throw new IllegalStateException("only " + stock);
                }
                try {
                    log.append(
                            List.of(new Moved(id, move.pieces())),
                            bug == Bug.LOST_UPDATE ? AppendCondition.none() : unchanged,
                            Metadata.none());
                    return stock + move.pieces();
                } catch (AppendConflictException conflict) {
                    // with what there is now
                }
            }
        }

        private void wake() {
            if (!working) {
                working = true;
                executor.execute(this::sendMails);
            }
        }

        private void sendMails() {
            try {
                sendNow();
            } catch (Simulation.InjectedException failed) {
                host.schedule(java.time.Duration.ofSeconds(5), this::sendMails);
            }
        }

        private void sendNow() {
            var checkpoint = saved.load("mails");
            var after = checkpoint.map(Checkpoint::position).orElse(Position.START);
            var ids = new ArrayList<String>();
            Position head;
            try (var events = log.read(EventQuery.all(), ReadOptions.forwards().after(after))) {
                while (events.advance()) {
                    ids.add(((Moved) events.event()).id());
                }
                head = events.head();
            }
            if (ids.isEmpty()) {
                if (bug == Bug.MISSED_WAKE_UP) {
                    executor.execute(() -> working = false);
                } else {
                    working = false;
                }
                return;
            }
            var next = new Checkpoint(1, head, "");
            if (bug == Bug.CHECKPOINT_FIRST) {
                saved.save("mails", next);
            }
            for (var id : ids) {
                host.pass("before the mail of " + id);
                mails.merge(id, 1, (sent, one) -> bug == Bug.MAIL_WITHOUT_ID ? sent + one : sent);
                host.pass("after the mail of " + id);
            }
            if (bug != Bug.CHECKPOINT_FIRST) {
                saved.save("mails", next);
            }
            executor.execute(this::sendMails);
        }

        private static Object inThread(java.util.function.Supplier<Object> body) {
            var result = new ArrayList<Object>();
            var thread = new Thread(
                    () -> {
                        try {
                            result.add(body.get());
                        } catch (IllegalStateException refused) {
                            result.add("swallowed");
                        }
                    },
                    "meddler");
            thread.start();
            try {
                thread.join();
            } catch (InterruptedException interrupted) {
                throw new AssertionError(interrupted);
            }
            return result.get(0);
        }
    }
}
