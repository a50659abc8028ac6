package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Messages.Handler;
import dev.cqrs.benchmarks.Messages.Kind;
import dev.cqrs.benchmarks.Messages.Message;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * The messages that are sent and the handlers that are registered: messages of {@code types} classes in random order,
 * and {@code handlers} registered handlers.
 *
 * <p>More types than handlers make no sense, and JMH would run every combination; so {@code handlers} is 100 unless
 * asked for: {@code -p types=1,16 -p handlers=16}.
 */
@State(Scope.Benchmark)
public class Traffic {

    private static final int SIZE = 1_024;

    /** How long the order of sending is: so long that the processor cannot learn it by heart. */
    private static final int ORDER = 1 << 15;

    /** How many classes of messages are sent. */
    @Param({"1", "16", "100"})
    public int types;

    /** How many handlers are registered, at most 100. */
    @Param({"100"})
    public int handlers;

    List<Kind<?>> kinds = List.of();
    final Message[] messages = new Message[SIZE];

    /** The handler of each message, for those who need not look it up. */
    @SuppressWarnings("unchecked")
    final Handler<Message>[] receivers = new Handler[SIZE];

    private final short[] order = new short[ORDER];
    private int next;

    /** Makes handlers and messages. */
    @Setup
    public void fill() {
        if (types > handlers) {
            throw new IllegalArgumentException("types is " + types + " and handlers " + handlers
                    + "; expected no more types than handlers. Ask for them in two runs.");
        }
        var random = new Random(42);
        kinds = Messages.kinds(handlers);
        var rotation = new ArrayList<Kind<?>>();
        for (int i = 0; i < SIZE; i++) {
            // Spread over the registered handlers: PipelinR searches them in order, so the first ones would flatter it.
            int type = i % types;
            rotation.add(kinds.get((2 * type + 1) * handlers / (2 * types)));
        }
        Collections.shuffle(rotation, random);
        for (int i = 0; i < SIZE; i++) {
            messages[i] = rotation.get(i).make().apply(random.nextInt(100));
            @SuppressWarnings("unchecked") // a message goes to the handler of its own kind
            var receiver = (Handler<Message>) rotation.get(i).handler();
            receivers[i] = receiver;
        }
        for (int i = 0; i < ORDER; i++) {
            order[i] = (short) random.nextInt(SIZE);
        }
    }

    /** Proves that messages arrived: a handler that nobody called has added nothing. */
    @TearDown
    public void check() {
        long arrived = kinds.stream()
                .filter(kind -> ((Messages.Sum) kind.handler()).n != 0)
                .count();
        if (arrived != types) {
            throw new IllegalStateException(arrived + " handlers were called; expected " + types + ".");
        }
    }

    /** The index of the next message. */
    int next() {
        return order[next++ & ORDER - 1];
    }
}
