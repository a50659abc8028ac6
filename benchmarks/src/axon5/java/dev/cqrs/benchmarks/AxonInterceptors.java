package dev.cqrs.benchmarks;

import java.util.List;
import org.axonframework.messaging.core.Message;
import org.axonframework.messaging.core.MessageHandlerInterceptor;
import org.axonframework.messaging.core.MessageHandlerInterceptorChain;
import org.axonframework.messaging.core.MessageStream;
import org.axonframework.messaging.core.unitofwork.ProcessingContext;

/** Three interceptors of three classes, each of which counts and proceeds. */
final class AxonInterceptors {

    private AxonInterceptors() {}

    static <M extends Message> List<MessageHandlerInterceptor<? super M>> three() {
        return List.of(new First<M>(), new Second<M>(), new Third<M>());
    }

    static final class First<M extends Message> implements MessageHandlerInterceptor<M> {
        private int n;

        @Override
        public MessageStream<?> interceptOnHandle(
                M message, ProcessingContext context, MessageHandlerInterceptorChain<M> chain) {
            n++;
            return chain.proceed(message, context);
        }
    }

    static final class Second<M extends Message> implements MessageHandlerInterceptor<M> {
        private int n;

        @Override
        public MessageStream<?> interceptOnHandle(
                M message, ProcessingContext context, MessageHandlerInterceptorChain<M> chain) {
            n++;
            return chain.proceed(message, context);
        }
    }

    static final class Third<M extends Message> implements MessageHandlerInterceptor<M> {
        private int n;

        @Override
        public MessageStream<?> interceptOnHandle(
                M message, ProcessingContext context, MessageHandlerInterceptorChain<M> chain) {
            n++;
            return chain.proceed(message, context);
        }
    }
}
