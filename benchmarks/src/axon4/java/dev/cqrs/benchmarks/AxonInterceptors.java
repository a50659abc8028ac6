package dev.cqrs.benchmarks;

import java.util.List;
import org.axonframework.messaging.InterceptorChain;
import org.axonframework.messaging.Message;
import org.axonframework.messaging.MessageHandlerInterceptor;
import org.axonframework.messaging.unitofwork.UnitOfWork;

/** Three interceptors of three classes, each of which counts and proceeds. */
final class AxonInterceptors {

    private AxonInterceptors() {}

    static List<MessageHandlerInterceptor<Message<?>>> three() {
        return List.of(new First(), new Second(), new Third());
    }

    static final class First implements MessageHandlerInterceptor<Message<?>> {
        private int n;

        @Override
        public Object handle(UnitOfWork<? extends Message<?>> unitOfWork, InterceptorChain chain) throws Exception {
            n++;
            return chain.proceed();
        }
    }

    static final class Second implements MessageHandlerInterceptor<Message<?>> {
        private int n;

        @Override
        public Object handle(UnitOfWork<? extends Message<?>> unitOfWork, InterceptorChain chain) throws Exception {
            n++;
            return chain.proceed();
        }
    }

    static final class Third implements MessageHandlerInterceptor<Message<?>> {
        private int n;

        @Override
        public Object handle(UnitOfWork<? extends Message<?>> unitOfWork, InterceptorChain chain) throws Exception {
            n++;
            return chain.proceed();
        }
    }
}
