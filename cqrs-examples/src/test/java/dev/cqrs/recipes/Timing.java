package dev.cqrs.recipes;

import dev.cqrs.interceptor.Observation.Observer;
import dev.cqrs.message.Metadata;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;

/** Times messages by class and outcome. */
record Timing(MeterRegistry registry) implements Observer<Timer.Sample> {

    @Override
    public Timer.Sample started(Object message, Metadata metadata) {
        return Timer.start(registry);
    }

    @Override
    public void succeeded(Timer.Sample sample, Object message, Object result) {
        stop(sample, message, "success");
    }

    @Override
    public void failed(Timer.Sample sample, Object message, Throwable why) {
        stop(sample, message, why.getClass().getSimpleName());
    }

    private void stop(Timer.Sample sample, Object message, String outcome) {
        sample.stop(registry.timer("cqrs.message", "type", message.getClass().getSimpleName(), "outcome", outcome));
    }
}
