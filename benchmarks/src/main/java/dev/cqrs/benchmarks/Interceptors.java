package dev.cqrs.benchmarks;

import an.awesome.pipelinr.Command;
import dev.cqrs.interceptor.Observation;
import dev.cqrs.message.Done;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import java.util.List;
import java.util.function.Function;

/** Three interceptors of three classes, each of which counts and proceeds; and the same for PipelinR. */
final class Interceptors {

    private Interceptors() {}

    static final class First implements Interceptor {
        private int n;

        @Override
        public Object around(Object message, Metadata metadata, Next next) throws Exception {
            n++;
            return next.proceed(message, metadata);
        }
    }

    static final class Second implements Interceptor {
        private int n;

        @Override
        public Object around(Object message, Metadata metadata, Next next) throws Exception {
            n++;
            return next.proceed(message, metadata);
        }
    }

    static final class Third implements Interceptor {
        private int n;

        @Override
        public Object around(Object message, Metadata metadata, Next next) throws Exception {
            n++;
            return next.proceed(message, metadata);
        }
    }

    /** Counts what starts and how it ends. */
    static final class Counting implements Observation.Observer<Done> {
        private int started;
        private int succeeded;
        private int failed;

        @Override
        public Done started(Object message, Metadata metadata) {
            started++;
            return Done.DONE;
        }

        @Override
        public void succeeded(Done state, Object message, Object result) {
            succeeded++;
        }

        @Override
        public void failed(Done state, Object message, Throwable why) {
            failed++;
        }
    }

    /** Counts, and finds nothing: what a check looks at is the application's own. */
    static final class CountingCheck implements Function<Object, List<String>> {
        private int n;

        @Override
        public List<String> apply(Object message) {
            n++;
            return List.of();
        }
    }

    static final class FirstMiddleware implements Command.Middleware {
        private int n;

        @Override
        public <R, C extends Command<R>> R invoke(C command, Next<R> next) {
            n++;
            return next.invoke();
        }
    }

    static final class SecondMiddleware implements Command.Middleware {
        private int n;

        @Override
        public <R, C extends Command<R>> R invoke(C command, Next<R> next) {
            n++;
            return next.invoke();
        }
    }

    static final class ThirdMiddleware implements Command.Middleware {
        private int n;

        @Override
        public <R, C extends Command<R>> R invoke(C command, Next<R> next) {
            n++;
            return next.invoke();
        }
    }
}
