package dev.cqrs.contract;

import static dev.cqrs.contract.Nulls.nullOf;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Interceptor.Next;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

/** A plain command bus, correct unless it is given a fault. */
final class FaultyCommandBus implements CommandBus {

    /** What an author of a bus may get wrong, and the test that finds it. */
    enum Fault {
        NONE(""),
        WRAPS_UNCHECKED("an_unchecked_exception_reaches_the_caller_unchanged"),
        WRAPS_ERRORS("an_error_reaches_the_caller_unchanged"),
        FORGETS_THROWABLES("a_checked_exception_that_is_thrown_undeclared_is_the_cause_of_a_named_one"),
        FORGETS_THE_INTERRUPT("an_interrupt_is_the_cause_of_a_named_exception_and_sets_the_flag_again"),
        CLEARS_THE_INTERRUPT("a_handler_that_sets_the_interrupt_flag_and_returns_leaves_it_set"),
        INTERRUPTS_ALWAYS("another_checked_exception_leaves_the_interrupt_flag_alone"),
        WRAPS_WITHIN_THE_CHAIN("an_interceptor_sees_the_checked_exception_itself_and_may_answer_in_its_place"),
        LETS_NULL_THROUGH("a_null_result_is_a_named_failure"),
        LETS_NULL_OUT_OF_PROCEED("a_null_result_of_the_handler_does_not_come_out_of_proceed"),
        LETS_NULL_METADATA_THROUGH("null_metadata_is_refused_by_a_bus_without_interceptors_too"),
        DROPS_METADATA("metadata_is_handed_to_the_handler"),
        TURNS_THE_ORDER_ROUND("interceptors_run_around_the_handler_in_their_order"),
        PROCEEDS_ONCE("an_interceptor_may_go_on_twice_and_join_the_results"),
        IGNORES_APPLIES_TO("an_interceptor_runs_only_around_the_classes_it_applies_to"),
        CHOOSES_INTERCEPTORS_AGAIN("a_message_that_is_replaced_passes_the_interceptors_of_the_one_that_was_sent"),
        ASKS_AGAIN_AND_AGAIN("whether_an_interceptor_applies_is_not_asked_again_for_each_send"),
        KEEPS_THE_FIRST_MESSAGE("an_interceptor_may_replace_the_message"),
        KEEPS_THE_FIRST_HANDLER("the_message_handed_on_chooses_the_handler"),
        REFUSES_BEFORE_INTERCEPTORS("an_interceptor_sees_that_a_message_has_no_handler_and_may_answer_in_its_place"),
        FINDS_THE_HANDLER_LATE("a_route_to_a_class_without_a_handler_is_refused_when_it_is_asked_for"),
        ROUTES_PAST_INTERCEPTORS("interceptors_run_around_the_handler_in_their_order"),
        REMEMBERS_IN_A_FIELD("eight_threads_send_at_once_and_each_gets_its_own_results");

        final String foundBy;

        Fault(String foundBy) {
            this.foundBy = foundBy;
        }
    }

    static volatile Fault faultOfSuite = Fault.NONE;

    /** The suite on this bus; nested, so that surefire does not run it by itself. */
    static class Suite extends CommandBusContract {
        @Override
        protected CommandBus busOf(List<Handling<?, ?>> handlings, List<Interceptor> interceptors) {
            var handlers = new HashMap<Class<?>, Next>();
            handlings.forEach(handling -> handlers.put(handling.type(), handler(handling)));
            return new FaultyCommandBus(handlers, interceptors, faultOfSuite);
        }

        private static <C extends Command<R>, R> Next handler(Handling<C, R> handling) {
            return (message, metadata) ->
                    handling.handler().handle(handling.type().cast(message), metadata);
        }
    }

    private final Map<Class<?>, Next> handlers;
    private final List<Interceptor> interceptors;
    private final Fault fault;
    private final Map<Class<?>, List<Interceptor>> applying = new ConcurrentHashMap<>();
    private volatile Object remembered = "";

    FaultyCommandBus(Map<Class<?>, Next> handlers, List<Interceptor> interceptors, Fault fault) {
        this.handlers = handlers;
        this.interceptors = interceptors;
        this.fault = fault;
    }

    private boolean has(Fault one) {
        return fault == one;
    }

    @Override
    @SuppressWarnings("unchecked") // the handler of a class gives what its messages ask for
    public <R> R dispatch(Command<R> command, Metadata metadata) {
        return (R) send(command, metadata, true);
    }

    @Override
    @SuppressWarnings("unchecked") // the handler of a class gives what its messages ask for
    public <C extends Command<R>, R> Route<C, R> handlerFor(Class<C> type) {
        Objects.requireNonNull(type);
        if (!has(Fault.FINDS_THE_HANDLER_LATE)) {
            handlerOf(type);
        }
        return (command, metadata) -> (R) send(command, metadata, !has(Fault.ROUTES_PAST_INTERCEPTORS));
    }

    private Object send(Object message, Metadata metadata, boolean intercepted) {
        Objects.requireNonNull(message);
        checkMetadata(metadata);
        if (has(Fault.REFUSES_BEFORE_INTERCEPTORS)) {
            handlerOf(message.getClass());
        }
        remembered = message;
        try {
            var passed = has(Fault.DROPS_METADATA) ? Metadata.none() : metadata;
            var result = proceed(intercepted ? applying(message.getClass()) : List.of(), 0, message, message, passed);
            if (has(Fault.CLEARS_THE_INTERRUPT)) {
                Thread.interrupted();
            }
            return result;
        } catch (RuntimeException | Error unchecked) {
            boolean wraps = unchecked instanceof Error ? has(Fault.WRAPS_ERRORS) : has(Fault.WRAPS_UNCHECKED);
            throw wraps ? new HandlerFailedException(message.getClass(), unchecked) : BusContract.undeclared(unchecked);
        } catch (Throwable checked) {
            if (has(Fault.FORGETS_THROWABLES) && !(checked instanceof Exception)) {
                throw BusContract.undeclared(checked);
            }
            if (has(Fault.INTERRUPTS_ALWAYS)
                    || (checked instanceof InterruptedException && !has(Fault.FORGETS_THE_INTERRUPT))) {
                Thread.currentThread().interrupt();
            }
            throw new HandlerFailedException(message.getClass(), checked);
        }
    }

    private void checkMetadata(Metadata metadata) {
        if (!has(Fault.LETS_NULL_METADATA_THROUGH)) {
            Objects.requireNonNull(metadata);
        }
    }

    private List<Interceptor> applying(Class<?> type) {
        if (has(Fault.IGNORES_APPLIES_TO)) {
            return interceptors;
        }
        return has(Fault.ASKS_AGAIN_AND_AGAIN) ? ask(type) : applying.computeIfAbsent(type, this::ask);
    }

    private List<Interceptor> ask(Class<?> type) {
        return interceptors.stream()
                .filter(interceptor -> interceptor.appliesTo(type))
                .toList();
    }

    private Object proceed(List<Interceptor> chain, int index, Object first, Object message, Metadata metadata)
            throws Exception {
        Objects.requireNonNull(message);
        checkMetadata(metadata);
        if (index == chain.size()) {
            return handle(first, message, metadata);
        }
        var interceptor = chain.get(has(Fault.TURNS_THE_ORDER_ROUND) ? chain.size() - 1 - index : index);
        var calls = new int[1];
        Next next = (handedOn, with) -> {
            if (has(Fault.PROCEEDS_ONCE) && calls[0]++ > 0) {
                throw new IllegalStateException("proceed was called twice");
            }
            if (has(Fault.CHOOSES_INTERCEPTORS_AGAIN) && handedOn.getClass() != message.getClass()) {
                var further = interceptors.subList(interceptors.indexOf(interceptor) + 1, interceptors.size()).stream()
                        .filter(inner -> inner.appliesTo(handedOn.getClass()))
                        .toList();
                return proceed(further, 0, first, handedOn, with);
            }
            return proceed(chain, index + 1, first, handedOn, with);
        };
        var result = interceptor.around(message, metadata, next);
        return checked(message, result);
    }

    private Object handle(Object first, Object message, Metadata metadata) throws Exception {
        boolean keepsMessage = has(Fault.KEEPS_THE_FIRST_MESSAGE);
        boolean keepsHandler = has(Fault.KEEPS_THE_FIRST_HANDLER);
        Object handled = has(Fault.REMEMBERS_IN_A_FIELD) ? remembered : keepsMessage ? first : message;
        try {
            var handler = handlerOf((keepsHandler ? first : handled).getClass());
            return checked(handled, handler.proceed(handled, metadata));
        } catch (IOException e) {
            if (has(Fault.WRAPS_WITHIN_THE_CHAIN)) {
                throw new HandlerFailedException(message.getClass(), e);
            }
            throw e;
        }
    }

    private Object checked(Object message, Object result) {
        if (result == null) {
            if (has(Fault.LETS_NULL_THROUGH) || has(Fault.LETS_NULL_OUT_OF_PROCEED)) {
                return nullOf(Object.class);
            }
            throw new HandlerFailedException(message.getClass(), "The handler or an interceptor");
        }
        return result;
    }

    private Next handlerOf(Class<?> type) {
        var handler = handlers.get(type);
        if (handler == null) {
            throw new NoHandlerException(type, "");
        }
        return handler;
    }
}
