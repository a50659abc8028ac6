package dev.cqrs.inmemory;

import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import java.util.List;
import java.util.Objects;

/**
 * Interceptors in front of an end, composed once.
 *
 * <p>The four inner links are classes of their own, although they do the same: the JIT compiler keeps its notes on who
 * is called from where by bytecode, so one class for all links would see every interceptor at its one call and inline
 * none. With a class a link each call sees one interceptor, and the chain becomes straight code. Each link also knows
 * the class of the next, which saves a check on the way (CommandDispatchBenchmark: docs/adr/0003).
 */
final class Chain {

    private Chain() {}

    /** The way through {@code interceptors} to {@code end}, for messages of {@code type}. */
    static Way of(Class<?> type, List<Interceptor> interceptors, Way end) {
        int n = interceptors.size();
        if (n == 0) {
            return end;
        }
        var fourth = new Fourth(type, interceptors.get(n - 1), end);
        if (n == 1) {
            return fourth;
        }
        var third = new Third(type, interceptors.get(n - 2), fourth);
        if (n == 2) {
            return third;
        }
        var second = new Second(type, interceptors.get(n - 3), third);
        if (n == 3) {
            return second;
        }
        Way way = new First(type, interceptors.get(n - 4), second);
        for (int i = n - 5; i >= 0; i--) {
            way = new Further(type, interceptors.get(i), way);
        }
        return way;
    }

    private static Object checked(Object result, Interceptor interceptor, Object message) {
        if (result == null) {
            throw new HandlerFailedException(
                    message.getClass(),
                    "The interceptor " + interceptor.getClass().getName());
        }
        return result;
    }

    /** What the interceptor before handed on; what the first is given was checked by the bus. */
    private static void present(Object message, Metadata metadata) {
        Objects.requireNonNull(message, "message");
        Objects.requireNonNull(metadata, "metadata");
    }

    private static final class First extends Way {
        private final Interceptor interceptor;
        private final Second next;

        First(Class<?> type, Interceptor interceptor, Second next) {
            super(type);
            this.interceptor = interceptor;
            this.next = next;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(message, metadata);
            return checked(interceptor.around(message, metadata, next), interceptor, message);
        }
    }

    private static final class Second extends Way {
        private final Interceptor interceptor;
        private final Third next;

        Second(Class<?> type, Interceptor interceptor, Third next) {
            super(type);
            this.interceptor = interceptor;
            this.next = next;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(message, metadata);
            return checked(interceptor.around(message, metadata, next), interceptor, message);
        }
    }

    private static final class Third extends Way {
        private final Interceptor interceptor;
        private final Fourth next;

        Third(Class<?> type, Interceptor interceptor, Fourth next) {
            super(type);
            this.interceptor = interceptor;
            this.next = next;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(message, metadata);
            return checked(interceptor.around(message, metadata, next), interceptor, message);
        }
    }

    private static final class Fourth extends Way {
        private final Interceptor interceptor;
        private final Way next;

        Fourth(Class<?> type, Interceptor interceptor, Way next) {
            super(type);
            this.interceptor = interceptor;
            this.next = next;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(message, metadata);
            return checked(interceptor.around(message, metadata, next), interceptor, message);
        }
    }

    private static final class Further extends Way {
        private final Interceptor interceptor;
        private final Way next;

        Further(Class<?> type, Interceptor interceptor, Way next) {
            super(type);
            this.interceptor = interceptor;
            this.next = next;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(message, metadata);
            return checked(interceptor.around(message, metadata, next), interceptor, message);
        }
    }
}
