package dev.cqrs.recipes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.interceptor.InterceptorOrder;
import dev.cqrs.interceptor.Observation;
import dev.cqrs.message.Done;
import dev.cqrs.message.Metadata;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanId;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TracingTest {

    record Outer(String with) implements Command<Done> {}

    record Inner(String with) implements Command<Done> {}

    private final InMemorySpanExporter exported = InMemorySpanExporter.create();
    private final SdkTracerProvider provider = SdkTracerProvider.builder()
            .addSpanProcessor(SimpleSpanProcessor.create(exported))
            .build();
    private final List<InMemoryCommandBus> bus = new ArrayList<>();

    TracingTest() {
        bus.add(InMemoryCommandBus.builder()
                .run(Outer.class, outer -> bus.get(0).dispatch(new Inner(outer.with())))
                .run(Inner.class, inner -> {
                    Span.current().setAttribute("seen", inner.with());
                    if (inner.with().isEmpty()) {
                        throw new IOException("empty");
                    }
                })
                .intercept(InterceptorOrder.OBSERVATION, Observation.of(new Tracing(provider.get("cqrs")), thrown -> {
                    throw new AssertionError(thrown);
                }))
                .build());
    }

    @AfterEach
    void close() {
        provider.close();
    }

    @Test
    void opentelemetry_sees_a_span_of_each_message_below_the_one_that_is_current() {
        var request = provider.get("web").spanBuilder("request").startSpan();
        try (var scope = request.makeCurrent()) {
            assertThat(scope).isNotNull();
            bus.get(0).dispatch(new Outer("x"), Metadata.none().with(Metadata.CORRELATION, "c-1"));
            assertThat(Span.current()).isSameAs(request);
        } finally {
            request.end();
        }

        var spans = exported.getFinishedSpanItems();
        assertThat(spans).extracting(SpanData::getName).containsExactly("Inner", "Outer", "request");
        assertThat(spans)
                .extracting(SpanData::getTraceId)
                .containsOnly(request.getSpanContext().getTraceId());
        assertThat(spans.get(0).getParentSpanId()).isEqualTo(spans.get(1).getSpanId());
        assertThat(spans.get(1).getParentSpanId()).isEqualTo(spans.get(2).getSpanId());
        assertThat(spans.get(0).getAttributes().get(AttributeKey.stringKey("seen")))
                .isEqualTo("x");
        assertThat(spans.get(1).getAttributes().get(AttributeKey.stringKey("cqrs.correlation")))
                .isEqualTo("c-1");
        assertThat(spans).extracting(span -> span.getStatus().getStatusCode()).containsOnly(StatusCode.UNSET);
    }

    @Test
    void a_failure_is_recorded_and_no_span_stays_current() {
        assertThatThrownBy(() -> bus.get(0).dispatch(new Outer(""))).hasRootCauseMessage("empty");

        assertThat(Span.current().getSpanContext().isValid()).isFalse();
        var spans = exported.getFinishedSpanItems();
        assertThat(spans).extracting(SpanData::getName).containsExactly("Inner", "Outer");
        assertThat(spans).extracting(span -> span.getStatus().getStatusCode()).containsOnly(StatusCode.ERROR);
        assertThat(spans.get(0).getEvents().get(0).getAttributes().asMap()).containsValue("java.io.IOException");
        assertThat(spans.get(1).getParentSpanId()).isEqualTo(SpanId.getInvalid());
    }
}
