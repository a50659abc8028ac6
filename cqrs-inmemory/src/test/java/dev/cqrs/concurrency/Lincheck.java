package dev.cqrs.concurrency;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.assertj.core.api.AbstractThrowableAssert;
import org.jetbrains.lincheck.LincheckAssertionError;
import org.jetbrains.lincheck.datastructures.ManagedStrategyGuaranteeKt;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Options;
import org.jetbrains.lincheck.datastructures.StressOptions;

/**
 * How Lincheck is used here: it makes up small programs for a few threads, runs each in many interleavings, and looks for
 * an order of the operations, one after the other, in which a plain model gives the same results.
 */
final class Lincheck {

    /** What threads share. The rest is values, in which there is nothing to interleave, and which cost much time. */
    private static final List<String> SHARED = List.of(
            "dev.cqrs.inmemory.InMemory",
            "dev.cqrs.inmemory.Log",
            "dev.cqrs.inmemory.Posting",
            "dev.cqrs.inmemory.Cursor",
            "dev.cqrs.queue.",
            "dev.cqrs.task.",
            "dev.cqrs.runtime.Projection",
            "dev.cqrs.eventstore.EventStore",
            "dev.cqrs.eventstore.EventStream");

    private Lincheck() {}

    /**
     * Lincheck chooses the interleavings, switching threads at every access to shared memory: what is rare on a
     * processor is found too. It takes memory for sequentially consistent; jcstress looks at the rest.
     *
     * <p>Values are left alone also because Lincheck gives classes hash codes of its own, by which a map of classes
     * that was filled before finds nothing.
     */
    static ModelCheckingOptions modelChecking(Class<?> model) {
        return modelCheckingOfAll(model)
                .addGuarantee(ManagedStrategyGuaranteeKt.forClasses(Lincheck::isValue)
                        .allMethods()
                        .ignore());
    }

    /** The same, with nothing left alone: for what looks up classes in maps that are filled when it is made. */
    static ModelCheckingOptions modelCheckingOfAll(Class<?> model) {
        return new ModelCheckingOptions()
                .sequentialSpecification(model)
                .threads(2)
                .actorsPerThread(2)
                .actorsBefore(1)
                .actorsAfter(1)
                .iterations(6)
                .invocationsPerIteration(30)
                .loopBound(100) // a writer that holds back goes round 64 times, and is not in an endless loop
                .minimizeFailedScenario(false);
    }

    /** The processor chooses the interleavings: fewer, but of many more runs. */
    static StressOptions stress(Class<?> model) {
        return new StressOptions()
                .sequentialSpecification(model)
                .threads(2)
                .actorsPerThread(3)
                .actorsBefore(1)
                .actorsAfter(1)
                .iterations(6)
                .invocationsPerIteration(500)
                .minimizeFailedScenario(false);
    }

    /** That the operations give what no order explains: results, not exceptions, which would hide a broken test. */
    static AbstractThrowableAssert<?, ?> assertFound(Options<?, ?> options, Class<?> operations) {
        return assertThatThrownBy(() -> options.check(operations))
                .isInstanceOf(LincheckAssertionError.class)
                .hasMessageNotContaining("Exception #");
    }

    private static boolean isValue(String className) {
        return className.startsWith("dev.cqrs.")
                && !className.startsWith("dev.cqrs.concurrency.")
                && SHARED.stream().noneMatch(className::startsWith);
    }
}
