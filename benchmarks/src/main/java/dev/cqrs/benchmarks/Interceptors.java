package dev.cqrs.benchmarks;

import an.awesome.pipelinr.Command;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;

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
