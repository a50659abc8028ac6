package dev.cqrs.contract;

import dev.cqrs.event.EventBus;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Interceptor.Next;
import dev.cqrs.message.Metadata;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;

/** A plain event bus, correct unless it is given a fault. */
final class FaultyEventBus implements EventBus {

    /** What an author of a bus may get wrong, and the test that finds it. */
    enum Fault {
        NONE(""),
        LAST_COMES_FIRST("an_event_reaches_every_subscriber_in_the_order_of_subscription"),
        KNOWS_EXACT_CLASSES_ONLY("a_subscriber_hears_the_events_of_its_type_and_of_all_below_and_no_others"),
        COUNTS_ALL("publishing_tells_how_many_subscribers_were_called"),
        DROPS_METADATA("metadata_travel_with_the_event_and_are_none_where_none_were_given"),
        USES_ANOTHER_THREAD("subscribers_run_on_the_publishing_thread"),
        FORGETS_THE_SECOND("who_subscribes_twice_is_called_twice"),
        STOPS_AT_A_FAILURE("every_subscriber_is_called_though_one_throws"),
        SWALLOWS_ERRORS("every_subscriber_is_called_though_one_throws"),
        THROWS_THE_LAST("the_first_failure_is_thrown_with_the_others_suppressed_in_it"),
        DROPS_THE_OTHERS("the_first_failure_is_thrown_with_the_others_suppressed_in_it"),
        HIDES_ERRORS_IN_EXCEPTIONS("an_error_goes_before_exceptions_so_that_who_catches_those_does_not_swallow_it"),
        SUPPRESSES_ITSELF("one_failure_of_two_subscribers_is_told_once"),
        FORGETS_THE_INTERRUPT("an_interrupt_is_kept_and_the_others_are_called"),
        TELLS_NEWCOMERS("who_subscribes_while_an_event_is_published_hears_the_next_one"),
        TELLS_WHO_HAS_LEFT("who_leaves_before_its_turn_is_not_called"),
        CANNOT_BE_LEFT("after_the_subscription_was_closed_nothing_is_heard_any_more"),
        INTERCEPTS_ONCE_FOR_ALL("interceptors_run_around_each_subscriber_the_first_outermost"),
        TURNS_THE_ORDER_ROUND("interceptors_run_around_each_subscriber_the_first_outermost"),
        KEEPS_THE_FIRST_EVENT("an_interceptor_may_change_event_and_metadata_for_one_subscriber"),
        TRUSTS_INTERCEPTORS("an_event_of_another_type_than_the_subscriber_wants_is_refused"),
        LETS_NULL_OUT("an_interceptor_that_gives_null_has_failed"),
        LETS_NULL_THROUGH("an_interceptor_hands_on_no_null"),
        IGNORES_APPLIES_TO("an_interceptor_runs_around_the_classes_it_applies_to"),
        CHOOSES_INTERCEPTORS_AGAIN("a_message_that_is_replaced_passes_the_interceptors_of_the_one_that_was_sent"),
        LOOKS_ONLY_BEFORE_INTERCEPTORS("who_leaves_while_an_interceptor_runs_is_not_called"),
        TAKES_NULL_METADATA("nulls_are_refused_and_nobody_is_called"),
        TAKES_PRIMITIVES("a_primitive_type_is_refused_by_name");

        final String foundBy;

        Fault(String foundBy) {
            this.foundBy = foundBy;
        }
    }

    static volatile Fault faultOfSuite = Fault.NONE;

    /** The suite on this bus; nested, so that surefire does not run it by itself. */
    static class Suite extends EventBusContract {
        @Override
        protected EventBus busOf(List<Interceptor> interceptors) {
            return new FaultyEventBus(interceptors, faultOfSuite);
        }
    }

    private final List<Interceptor> interceptors;
    private final Fault fault;
    private final List<Seat<?>> seats = new CopyOnWriteArrayList<>();

    private static final class Seat<E> {
        final Class<E> type;
        final Subscriber<E> subscriber;
        volatile boolean left;

        Seat(Class<E> type, Subscriber<E> subscriber) {
            this.type = type;
            this.subscriber = subscriber;
        }
    }

    FaultyEventBus(List<Interceptor> interceptors, Fault fault) {
        this.interceptors = interceptors;
        this.fault = fault;
    }

    private boolean has(Fault one) {
        return fault == one;
    }

    @Override
    public <E> Subscription subscribe(Class<E> type, Subscriber<E> subscriber) {
        Objects.requireNonNull(subscriber);
        if (type.isPrimitive() && !has(Fault.TAKES_PRIMITIVES)) {
            throw new IllegalArgumentException(type + " is primitive");
        }
        var seat = new Seat<>(type, subscriber);
        if (has(Fault.FORGETS_THE_SECOND)) {
            seats.removeIf(other -> other.type == type);
        }
        if (has(Fault.LAST_COMES_FIRST)) {
            seats.add(0, seat);
        } else {
            seats.add(seat);
        }
        return () -> {
            if (!has(Fault.CANNOT_BE_LEFT)) {
                seat.left = true;
                seats.remove(seat);
            }
        };
    }

    @Override
    public int publish(Object event, Metadata metadata) {
        Objects.requireNonNull(event);
        if (!has(Fault.TAKES_NULL_METADATA)) {
            Objects.requireNonNull(metadata);
        }
        var failures = new ArrayList<Throwable>();
        int called = 0;
        var snapshot = List.copyOf(seats);
        int size = snapshot.size();
        for (int i = 0; i < (has(Fault.TELLS_NEWCOMERS) ? seats.size() : size); i++) {
            var seat = has(Fault.TELLS_NEWCOMERS) ? seats.get(i) : snapshot.get(i);
            boolean wanted =
                    has(Fault.KNOWS_EXACT_CLASSES_ONLY) ? seat.type == event.getClass() : seat.type.isInstance(event);
            if (!wanted || (seat.left && !has(Fault.TELLS_WHO_HAS_LEFT))) {
                continue;
            }
            try {
                if (has(Fault.USES_ANOTHER_THREAD)) {
                    Together.onAnotherThread(() -> call(seat, event, metadata, true));
                } else {
                    call(seat, event, metadata, called == 0 || !has(Fault.INTERCEPTS_ONCE_FOR_ALL));
                }
            } catch (Throwable thrown) {
                if (!(thrown instanceof Error && has(Fault.SWALLOWS_ERRORS))) {
                    failures.add(unchecked(event, thrown));
                }
                if (has(Fault.STOPS_AT_A_FAILURE)) {
                    break;
                }
            }
            called++;
        }
        throwIfAny(failures);
        return has(Fault.COUNTS_ALL) ? size : called;
    }

    private <E> void call(Seat<E> seat, Object event, Metadata metadata, boolean intercepted) throws Exception {
        Next way = (message, given) -> {
            if (!has(Fault.LETS_NULL_THROUGH) && !has(Fault.TAKES_NULL_METADATA)) {
                Objects.requireNonNull(message);
                Objects.requireNonNull(given);
            }
            if (seat.left && !interceptors.isEmpty() && !has(Fault.LOOKS_ONLY_BEFORE_INTERCEPTORS)) {
                return Done.DONE; // without interceptors it has been counted as called already
            }
            var told = has(Fault.KEEPS_THE_FIRST_EVENT) ? event : message;
            if (told != null && !seat.type.isInstance(told) && !has(Fault.TRUSTS_INTERCEPTORS)) {
                throw new IllegalArgumentException(told.getClass().getName() + " is no " + seat.type.getName());
            }
            seat.subscriber.on(seat.type.cast(told), has(Fault.DROPS_METADATA) ? Metadata.none() : given);
            return Done.DONE;
        };
        for (int i = interceptors.size() - 1; intercepted && i >= 0; i--) {
            var interceptor = interceptors.get(has(Fault.TURNS_THE_ORDER_ROUND) ? interceptors.size() - 1 - i : i);
            var next = way;
            boolean late = has(Fault.CHOOSES_INTERCEPTORS_AGAIN);
            if (interceptor.appliesTo(event.getClass()) || has(Fault.IGNORES_APPLIES_TO) || late) {
                way = (message, given) -> {
                    if (late && !interceptor.appliesTo(message.getClass())) {
                        return next.proceed(message, given);
                    }
                    var result = interceptor.around(message, given, next);
                    if (result == null && !has(Fault.LETS_NULL_OUT)) {
                        throw new HandlerFailedException(event.getClass(), "The interceptor");
                    }
                    return result;
                };
            }
        }
        way.proceed(event, metadata);
    }

    private Throwable unchecked(Object event, Throwable thrown) {
        if (thrown instanceof RuntimeException || thrown instanceof Error) {
            return thrown;
        }
        if (thrown instanceof InterruptedException && !has(Fault.FORGETS_THE_INTERRUPT)) {
            Thread.currentThread().interrupt();
        }
        return new HandlerFailedException(event.getClass(), thrown);
    }

    private void throwIfAny(List<Throwable> failures) {
        if (failures.isEmpty()) {
            return;
        }
        var first = failures.get(has(Fault.THROWS_THE_LAST) ? failures.size() - 1 : 0);
        if (!has(Fault.HIDES_ERRORS_IN_EXCEPTIONS)) {
            first = failures.stream()
                    .filter(Error.class::isInstance)
                    .findFirst()
                    .orElse(first);
        }
        for (var other : failures) {
            if (has(Fault.SUPPRESSES_ITSELF) || (other != first && !has(Fault.DROPS_THE_OTHERS))) {
                first.addSuppressed(other);
            }
        }
        if (first instanceof Error error) {
            throw error;
        }
        throw (RuntimeException) first;
    }
}
