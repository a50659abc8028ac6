package dev.cqrs.live;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.runtime.ProjectionEngine;
import java.lang.reflect.Method;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.reactivestreams.tck.TestEnvironment;
import org.reactivestreams.tck.flow.FlowPublisherVerification;
import org.testng.ITestResult;
import org.testng.TestListenerAdapter;
import org.testng.TestNG;
import org.testng.annotations.AfterClass;
import org.testng.annotations.Test;

/** The tests that Reactive Streams has for publishers, by its own rules' numbers, for each backlog. */
class ReactiveStreamsTest {

    /** What those tests leave out by themselves, and why. Each that must pass does. */
    private static final Map<String, String> LEFT_OUT = new TreeMap<>();

    static {
        var everybody = "no test of anybody's: the rule leaves open what cannot be seen from outside";
        for (var name : List.of(
                "untested_spec106_mustConsiderSubscriptionCancelledAfterOnErrorOrOnCompleteHasBeenCalled",
                "untested_spec107_mustNotEmitFurtherSignalsOnceOnErrorHasBeenSignalled",
                "untested_spec108_possiblyCanceledSubscriptionShouldNotReceiveOnErrorOrOnCompleteSignals",
                "untested_spec109_subscribeShouldNotThrowNonFatalThrowable",
                "untested_spec110_rejectASubscriptionRequestIfTheSameSubscriberSubscribesTwice",
                "untested_spec304_requestShouldNotPerformHeavyComputations",
                "untested_spec305_cancelMustNotSynchronouslyPerformHeavyComputation")) {
            LEFT_OUT.put(name, everybody);
        }
        var ownAnswers = "each subscriber gets the answers of its own time, at its own pace, not those of others";
        for (var name : List.of(
                "optional_spec111_multicast_mustProduceTheSameElementsInTheSameSequenceToAllOfItsSubscribersWhenRequestingOneByOne",
                "optional_spec111_multicast_mustProduceTheSameElementsInTheSameSequenceToAllOfItsSubscribersWhenRequestingManyUpfront",
                "optional_spec111_multicast_mustProduceTheSameElementsInTheSameSequenceToAllOfItsSubscribersWhenRequestingManyUpfrontAndCompleteAsExpected")) {
            LEFT_OUT.put(name, ownAnswers);
        }
    }

    /** Something has happened. */
    public record Ticked() {}

    private static final Catalog CATALOG =
            Catalog.builder().event("ticked", Ticked.class).build();
    private static final Projection<Long> TICKS =
            Projection.of("ticks", 1, Fold.from(0L).on(Ticked.class, (count, event) -> count + 1));
    private static final Projection<Long> BROKEN =
            Projection.of("broken", 1, Fold.from(0L).on(Ticked.class, (count, event) -> {
                throw new IllegalStateException("a fold that throws");
            }));

    /** Gives publishers of as many answers as a test wants, each complete when its engine is closed. */
    public abstract static class Verification extends FlowPublisherVerification<Long> {

        private static final int MOST = 1_000;

        final ExecutorService executor = Executors.newCachedThreadPool();
        final ExecutorService feeder = Executors.newCachedThreadPool();

        Verification() {
            super(new TestEnvironment(60_000, 100, 100), 2_000);
        }

        /** An engine, whose log grows. */
        static final class Feed {
            final InMemoryEventStore store = new InMemoryEventStore(CATALOG, Clock.systemUTC());
            final ProjectionEngine engine =
                    ProjectionEngine.builder(store, failure -> {}).inline(TICKS).build();

            void tick() {
                store.append(List.of(new Ticked()), AppendCondition.none());
            }
        }

        @Override
        public Flow.Publisher<Long> createFailedFlowPublisher() {
            var store = new InMemoryEventStore(CATALOG, Clock.systemUTC());
            var engine = ProjectionEngine.builder(store, failure -> {})
                    .inline(BROKEN)
                    .build();
            store.append(List.of(new Ticked()), AppendCondition.none());
            return LiveQuery.of(
                    engine.view(BROKEN), () -> engine.view(BROKEN).read(count -> count), backlog(), executor);
        }

        abstract Backlog backlog();

        /** Ends the threads. */
        @AfterClass
        public void end() {
            executor.shutdownNow();
            feeder.shutdownNow();
        }
    }

    /** An answer is asked when there is demand, and has the next event happen. */
    public static final class OfLatest extends Verification {

        @Override
        Backlog backlog() {
            return Backlog.latest();
        }

        @Override
        public Flow.Publisher<Long> createFlowPublisher(long elements) {
            var feed = new Feed();
            if (elements == 0) {
                feed.engine.close();
            }
            var asked = new AtomicLong();
            return LiveQuery.of(
                    feed.engine.view(TICKS),
                    () -> {
                        long answer = asked.incrementAndGet();
                        feeder.execute(answer < elements ? feed::tick : feed.engine::close);
                        return answer;
                    },
                    backlog(),
                    executor);
        }
    }

    /** Events happen as fast as they can once somebody has subscribed, and answers wait. */
    abstract static class Buffered extends Verification {

        @Override
        public Flow.Publisher<Long> createFlowPublisher(long elements) {
            var feed = new Feed();
            if (elements == 0) {
                feed.engine.close();
            }
            var live = LiveQuery.of(
                    feed.engine.view(TICKS), () -> feed.engine.view(TICKS).read(count -> count), backlog(), executor);
            var begun = new AtomicBoolean();
            return subscriber -> {
                live.subscribe(subscriber);
                // not before the first answer waits: what changes while a thread asks is seen as one
                if (begun.compareAndSet(false, true)) {
                    feeder.execute(() -> feed(feed, elements));
                }
            };
        }

        /** The first answer is that of no event; a test that wants more than fit has enough of the first. */
        private static void feed(Feed feed, long elements) {
            for (long i = 1; i < Math.min(elements, Verification.MOST); i++) {
                feed.tick();
            }
            if (elements <= Verification.MOST) {
                feed.engine.close();
            }
        }
    }

    /** The oldest would be dropped, if there were more. */
    public static final class OfNewest extends Buffered {
        @Override
        Backlog backlog() {
            return Backlog.newest(Verification.MOST);
        }
    }

    /** The subscriber would fail, if there were more. */
    public static final class OfFailing extends Buffered {
        @Override
        Backlog backlog() {
            return Backlog.failing(Verification.MOST);
        }
    }

    @TestFactory
    Stream<DynamicTest> latest() {
        return run(OfLatest.class);
    }

    @TestFactory
    Stream<DynamicTest> newest() {
        return run(OfNewest.class);
    }

    @TestFactory
    Stream<DynamicTest> failing() {
        return run(OfFailing.class);
    }

    private static Stream<DynamicTest> run(Class<?> verification) {
        var heard = new TestListenerAdapter();
        var testng = new TestNG(false);
        testng.setVerbose(0);
        testng.setTestClasses(new Class<?>[] {verification});
        testng.addListener(heard);
        testng.run();
        var tests = new ArrayList<DynamicTest>();
        for (var passed : heard.getPassedTests()) {
            tests.add(DynamicTest.dynamicTest(passed.getName(), () -> {}));
        }
        for (var skipped : heard.getSkippedTests()) {
            tests.add(DynamicTest.dynamicTest(
                    skipped.getName() + " is left out",
                    () -> assertThat(LEFT_OUT).as("%s", skipped.getThrowable()).containsKey(skipped.getName())));
        }
        for (var failed : heard.getFailedTests()) {
            tests.add(DynamicTest.dynamicTest(failed.getName(), () -> {
                throw new AssertionError(failed.getName() + " failed", failed.getThrowable());
            }));
        }
        tests.add(DynamicTest.dynamicTest("all that must pass has been run", () -> {
            assertThat(heard.getConfigurationFailures()).isEmpty();
            var required = Stream.of(verification.getMethods())
                    .filter(method -> method.isAnnotationPresent(Test.class))
                    .map(Method::getName)
                    .filter(name -> name.startsWith("required_") && !LEFT_OUT.containsKey(name))
                    .toList();
            assertThat(required).hasSizeGreaterThanOrEqualTo(20);
            assertThat(heard.getPassedTests()).extracting(ITestResult::getName).containsAll(required);
        }));
        return tests.stream();
    }
}
