package dev.cqrs.interceptor;

import static dev.cqrs.interceptor.Authorization.Verdict.allow;
import static dev.cqrs.interceptor.Authorization.Verdict.deny;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.interceptor.Observation.Observer;
import dev.cqrs.message.Done;
import dev.cqrs.message.Metadata;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** All of them on one bus, registered in another order than they are to stand. */
class InterceptorsTogetherTest {

    record Post(String text) implements Command<Integer> {}

    private final List<String> steps = new ArrayList<>();
    private int attempts;

    private final class Noting implements Observer<Done> {
        @Override
        public Done started(Object message, Metadata metadata) {
            steps.add("started");
            return Done.DONE;
        }

        @Override
        public void succeeded(Done state, Object message, Object result) {
            steps.add("succeeded with " + result);
        }

        @Override
        public void failed(Done state, Object message, Throwable why) {
            steps.add("failed with " + why.getClass().getSimpleName());
        }
    }

    private final InMemoryCommandBus bus = InMemoryCommandBus.builder()
            .handle(Post.class, post -> {
                steps.add("handled");
                if (++attempts < 3) {
                    throw new IllegalStateException("busy");
                }
                return attempts;
            })
            .intercept(InterceptorOrder.TRANSACTION, (message, metadata, next) -> {
                steps.add("begun");
                var result = next.proceed(message, metadata);
                steps.add("committed");
                return result;
            })
            .intercept(InterceptorOrder.RETRY, Retry.atOnce(5).on(Exception.class))
            .intercept(
                    InterceptorOrder.AUTHORIZATION,
                    Authorization.builder()
                            .rule(Post.class, (post, metadata) -> {
                                steps.add("judged");
                                return metadata.get("user").isPresent() ? allow() : deny("log in");
                            })
                            .denyOthers())
            .intercept(
                    InterceptorOrder.VALIDATION,
                    Validation.builder()
                            .check(Post.class, post -> {
                                steps.add("checked");
                                return post.text().isEmpty() ? List.of("no text") : List.of();
                            })
                            .build())
            .intercept(InterceptorOrder.OBSERVATION, Observation.of(new Noting(), thrown -> {
                throw new AssertionError(thrown);
            }))
            .build();

    private static final Metadata ALICE = Metadata.none().with("user", "alice");

    @Test
    void one_observation_sees_several_attempts_each_in_a_transaction_of_its_own() {
        assertThat(bus.dispatch(new Post("hello"), ALICE)).isEqualTo(3);

        assertThat(steps)
                .containsExactly(
                        "started",
                        "checked",
                        "judged",
                        "begun",
                        "handled",
                        "begun",
                        "handled",
                        "begun",
                        "handled",
                        "committed",
                        "succeeded with 3");
    }

    @Test
    void what_is_not_valid_is_observed_and_goes_no_further() {
        assertThatThrownBy(() -> bus.dispatch(new Post(""), ALICE)).isInstanceOf(InvalidMessageException.class);

        assertThat(steps).containsExactly("started", "checked", "failed with InvalidMessageException");
    }

    @Test
    void what_is_not_allowed_is_observed_and_goes_no_further() {
        assertThatThrownBy(() -> bus.dispatch(new Post("hello"))).isInstanceOf(NotAuthorizedException.class);

        assertThat(steps).containsExactly("started", "checked", "judged", "failed with NotAuthorizedException");
    }

    @Test
    void a_refusal_of_a_message_inside_is_not_tried_again() {
        var outer = InMemoryCommandBus.builder()
                .handle(Post.class, post -> {
                    attempts++;
                    return bus.dispatch(post);
                })
                .intercept(InterceptorOrder.RETRY, Retry.atOnce(5).on(Exception.class))
                .build();

        assertThatThrownBy(() -> outer.dispatch(new Post("hello"))).isInstanceOf(NotAuthorizedException.class);
        assertThat(attempts).isEqualTo(1);
    }
}
