package dev.cqrs.inmemory;

import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Interceptor.Next;
import dev.cqrs.message.Metadata;
import java.util.List;
import java.util.Objects;

/**
 * Interceptors in front of an end, composed once.
 *
 * <p>The four outer links are classes of their own, although they do the same: the JIT compiler keeps its notes on who
 * is called from where by bytecode, so one class for all links would see every interceptor at its one call and inline
 * none. With a class a link each call sees one interceptor, and the chain becomes straight code
 * (CommandDispatchBenchmark: docs/adr/0003).
 */
final class Chain {

    private Chain() {}

    static Way of(List<Interceptor> interceptors, Way end) {
        var next = end;
        for (int i = interceptors.size() - 1; i >= 0; i--) {
            var interceptor = interceptors.get(i);
            next = switch (i) {
                case 0 -> new First(interceptor, next);
                case 1 -> new Second(interceptor, next);
                case 2 -> new Third(interceptor, next);
                case 3 -> new Fourth(interceptor, next);
                default -> new Further(interceptor, next);
            };
        }
        return next;
    }

    private abstract static class Link extends Way {
        final Interceptor interceptor;
        final Next next;

        Link(Interceptor interceptor, Way next) {
            this.interceptor = interceptor;
            this.next = next;
        }

        static Object checked(Object result, Interceptor interceptor, Object message) {
            if (result == null) {
                throw new HandlerFailedException(
                        message.getClass(),
                        "The interceptor " + interceptor.getClass().getName());
            }
            return result;
        }

        /** What the interceptor before handed on; what the first is given was checked by the bus. */
        static void present(Object message, Metadata metadata) {
            Objects.requireNonNull(message, "message");
            Objects.requireNonNull(metadata, "metadata");
        }
    }

    private static final class First extends Link {
        First(Interceptor interceptor, Way next) {
            super(interceptor, next);
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            return checked(interceptor.around(message, metadata, next), interceptor, message);
        }
    }

    private static final class Second extends Link {
        Second(Interceptor interceptor, Way next) {
            super(interceptor, next);
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(message, metadata);
            return checked(interceptor.around(message, metadata, next), interceptor, message);
        }
    }

    private static final class Third extends Link {
        Third(Interceptor interceptor, Way next) {
            super(interceptor, next);
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(message, metadata);
            return checked(interceptor.around(message, metadata, next), interceptor, message);
        }
    }

    private static final class Fourth extends Link {
        Fourth(Interceptor interceptor, Way next) {
            super(interceptor, next);
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(message, metadata);
            return checked(interceptor.around(message, metadata, next), interceptor, message);
        }
    }

    private static final class Further extends Link {
        Further(Interceptor interceptor, Way next) {
            super(interceptor, next);
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(message, metadata);
            return checked(interceptor.around(message, metadata, next), interceptor, message);
        }
    }
}
