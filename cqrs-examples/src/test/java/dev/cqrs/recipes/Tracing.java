package dev.cqrs.recipes;

import dev.cqrs.interceptor.Observation.Observer;
import dev.cqrs.message.Metadata;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Scope;

/** Makes a span of each message, below the one that is current, and has it current while the handler runs. */
record Tracing(Tracer tracer) implements Observer<Tracing.Open> {

    record Open(Span span, Scope scope) {}

    @Override
    @SuppressWarnings("MustBeClosedChecker") // the end closes it
    public Open started(Object message, Metadata metadata) {
        var span = tracer.spanBuilder(message.getClass().getSimpleName()).startSpan();
        metadata.correlation().ifPresent(id -> span.setAttribute("cqrs.correlation", id));
        return new Open(span, span.makeCurrent());
    }

    @Override
    public void succeeded(Open open, Object message, Object result) {
        end(open);
    }

    @Override
    public void failed(Open open, Object message, Throwable why) {
        try {
            open.span().recordException(why).setStatus(StatusCode.ERROR);
        } finally {
            end(open);
        }
    }

    private static void end(Open open) {
        open.scope().close();
        open.span().end();
    }
}
