package dev.cqrs.benchmarks;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.message.Metadata;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/** What it costs to ask for the handler at each send: of a resolver that has it at hand, and of Spring. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 3,
        jvmArgs = {"-Xms1g", "-Xmx1g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@State(Scope.Benchmark)
public class ResolvingBenchmark {

    record Add(int number) implements Command<Integer> {}

    /** Gives back the number. */
    public static class AddHandler implements CommandHandler<Add, Integer> {
        @Override
        public Integer handle(Add command, Metadata metadata) {
            return command.number();
        }
    }

    private final Add command = new Add(1);
    private AnnotationConfigApplicationContext context;
    private CommandBus registered;
    private CommandBus resolved;
    private CommandBus singleton;
    private CommandBus prototype;

    /** Starts Spring, and builds the buses. */
    @Setup
    public void build() {
        var handler = new AddHandler();
        context = new AnnotationConfigApplicationContext();
        context.registerBean("singleton", AddHandler.class);
        context.registerBean("prototype", AddHandler.class, definition -> {
            definition.setScope("prototype");
            definition.setAutowireCandidate(false);
        });
        context.refresh();
        registered = InMemoryCommandBus.builder().handle(Add.class, handler).build();
        resolved = bus(type -> handler);
        singleton = bus(type -> context.getBean("singleton", type));
        prototype = bus(type -> context.getBean("prototype", type));
    }

    private static CommandBus bus(Function<Class<AddHandler>, AddHandler> resolver) {
        return InMemoryCommandBus.builder()
                .handle(Add.class, AddHandler.class, resolver)
                .build();
    }

    /** Ends Spring. */
    @TearDown
    public void end() {
        context.close();
    }

    /** The handler itself is registered. */
    @Benchmark
    public int registered() {
        return registered.dispatch(command);
    }

    /** A resolver that gives an object it has. */
    @Benchmark
    public int resolved() {
        return resolved.dispatch(command);
    }

    /** Spring finds a singleton by its name. */
    @Benchmark
    public int springSingleton() {
        return singleton.dispatch(command);
    }

    /** Spring makes one each time. */
    @Benchmark
    public int springPrototype() {
        return prototype.dispatch(command);
    }
}
