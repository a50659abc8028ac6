package dev.cqrs.inmemory;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.decider.Decider;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Catalog.CommandId;
import dev.cqrs.event.Catalog.CommandRefused;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.live.Backlog;
import dev.cqrs.live.LiveQuery;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.WiringException;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.query.Query;
import dev.cqrs.query.QueryBus;
import dev.cqrs.query.QueryHandler;
import dev.cqrs.runtime.Delivery;
import dev.cqrs.runtime.ProjectionEngine;
import dev.cqrs.runtime.ProjectionFailure;
import dev.cqrs.runtime.ProjectionStatus.State;
import dev.cqrs.runtime.ProjectionStoppedException;
import dev.cqrs.runtime.ProjectionView;
import dev.cqrs.task.Listeners;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A whole application's buses, event store, decisions and projections, wired in one builder.
 *
 * <p>A convenience over the parts, which can all be wired by hand. It makes its event store, or works over a given one.
 *
 * <p><b>Threads:</b> thread-safe. Starts none: handlers and inline projections run on the calling thread.
 */
public final class InMemoryCqrs implements AutoCloseable {

    private final EventStore store;
    private final InMemoryCommandBus commands;
    private final InMemoryQueryBus queries;
    private final ProjectionEngine projections;
    private final List<Description.Wired> wired;

    /** By the type that queries were registered under, the view that they are answered from. */
    private final Map<Class<?>, ProjectionView<?>> viewsOfQueries;

    /** The same by the class of a query, which may be one below that nobody knew before it was asked. */
    private final ConcurrentHashMap<Class<?>, Optional<ProjectionView<?>>> viewsFound = new ConcurrentHashMap<>();

    private volatile boolean closed;

    private InMemoryCqrs(
            EventStore store,
            InMemoryCommandBus commands,
            InMemoryQueryBus queries,
            ProjectionEngine projections,
            List<Description.Wired> wired,
            Map<Class<?>, ProjectionView<?>> viewsOfQueries) {
        this.store = store;
        this.commands = commands;
        this.queries = queries;
        this.projections = projections;
        this.wired = wired;
        this.viewsOfQueries = viewsOfQueries;
    }

    /**
     * Begins an application with an event store of its own in memory.
     *
     * @param clock gives the time of each append
     * @return a builder without handlers
     */
    public static Builder builder(Clock clock) {
        return new Builder(Objects.requireNonNull(clock, "clock"), null);
    }

    /**
     * Begins an application over an event store that handlers may already know.
     *
     * @param store the log, with its own catalog; stays open on close
     * @return a builder without handlers
     */
    public static Builder builder(EventStore store) {
        return new Builder(null, Objects.requireNonNull(store, "store"));
    }

    /**
     * Sends {@code command} without metadata, as {@link CommandBus#dispatch(Command)}.
     *
     * @param <R> the type of the result
     * @param command never {@code null}
     * @return the handler's result
     * @throws IllegalStateException after {@link #close()}
     */
    public <R> R dispatch(Command<R> command) {
        return dispatch(command, Metadata.none());
    }

    /**
     * Sends {@code command} with {@code metadata}, as {@link CommandBus#dispatch(Command, Metadata)}.
     *
     * @param <R> the type of the result
     * @param command never {@code null}
     * @param metadata handed on to the handler and kept with its events
     * @return the handler's result
     * @throws IllegalStateException after {@link #close()}
     */
    public <R> R dispatch(Command<R> command, Metadata metadata) {
        checkOpen();
        return commands.dispatch(command, metadata);
    }

    /**
     * Asks {@code query} without metadata, as {@link QueryBus#ask(Query)}.
     *
     * @param <R> the type of the answer
     * @param query never {@code null}
     * @return the handler's answer
     * @throws IllegalStateException after {@link #close()}
     */
    public <R> R ask(Query<R> query) {
        return ask(query, Metadata.none());
    }

    /**
     * Asks {@code query} with {@code metadata}, as {@link QueryBus#ask(Query, Metadata)}.
     *
     * @param <R> the type of the answer
     * @param query never {@code null}
     * @param metadata handed on to the handler
     * @return the handler's answer
     * @throws IllegalStateException after {@link #close()}
     */
    public <R> R ask(Query<R> query, Metadata metadata) {
        checkOpen();
        return queries.ask(query, metadata);
    }

    /**
     * Keeps {@code query} open without metadata, as {@link #live(Query, Metadata, Backlog, Executor)}.
     *
     * @param <R> the type of the answer
     * @param query one that is answered from the view of a projection
     * @param backlog what becomes of answers that a subscriber has not asked for yet
     * @param executor calls the subscribers; stays open on close, which completes them
     * @return never {@code null}; nothing happens before somebody subscribes
     * @throws IllegalArgumentException if the query is not answered from the view of a projection
     */
    public <R> LiveQuery<R> live(Query<R> query, Backlog backlog, Executor executor) {
        return live(query, Metadata.none(), backlog, executor);
    }

    /**
     * Keeps {@code query} open: each subscriber gets its answer of now, and then each new one.
     *
     * <p>Each answer is asked of the query bus, through its interceptors, with the same metadata. For a query with a handler
     * of its own, use {@link LiveQuery#of} with the view that it reads.
     *
     * @param <R> the type of the answer
     * @param query one that is answered from the view of a projection
     * @param metadata handed to interceptors each time
     * @param backlog what becomes of answers that a subscriber has not asked for yet
     * @param executor calls the subscribers; stays open on close, which completes them
     * @return never {@code null}; nothing happens before somebody subscribes
     * @throws IllegalArgumentException if the query is not answered from the view of a projection
     */
    public <R> LiveQuery<R> live(Query<R> query, Metadata metadata, Backlog backlog, Executor executor) {
        Objects.requireNonNull(metadata, "metadata");
        return LiveQuery.of(viewOf(query), () -> queries.ask(query, metadata), backlog, executor);
    }

    /**
     * Asks without metadata, as {@link #ask(Query, Metadata, Position, Duration)}.
     *
     * @param <R> the type of the answer
     * @param query one that is answered from the view of a projection
     * @param atLeast the position, such as {@code store().head()} after a dispatch
     * @param timeout how long to wait at most; zero to ask only
     * @return the handler's answer
     * @throws dev.cqrs.runtime.ProjectionTimeoutException if the view has not come so far in time
     * @throws ProjectionStoppedException if the projection has stopped before
     * @throws InterruptedException if the thread was interrupted while it waited
     * @throws IllegalArgumentException if the query is not answered from the view of a projection
     * @throws IllegalStateException after {@link #close()}
     */
    public <R> R ask(Query<R> query, Position atLeast, Duration timeout) throws InterruptedException {
        return ask(query, Metadata.none(), atLeast, timeout);
    }

    /**
     * Asks a query that is answered from a view, as soon as the view takes a position into account: that of the caller's own
     * write, for instance, which the answer then tells of.
     *
     * @param <R> the type of the answer
     * @param query one that is answered from the view of a projection
     * @param metadata handed to interceptors
     * @param atLeast the position, such as {@code store().head()} after a dispatch
     * @param timeout how long to wait at most; zero to ask only
     * @return the handler's answer
     * @throws dev.cqrs.runtime.ProjectionTimeoutException if the view has not come so far in time
     * @throws ProjectionStoppedException if the projection has stopped before
     * @throws InterruptedException if the thread was interrupted while it waited
     * @throws IllegalArgumentException if the query was registered with a handler of its own, which need not have a view
     * @throws IllegalStateException after {@link #close()}
     */
    public <R> R ask(Query<R> query, Metadata metadata, Position atLeast, Duration timeout)
            throws InterruptedException {
        Objects.requireNonNull(metadata, "metadata");
        Objects.requireNonNull(atLeast, "atLeast");
        Objects.requireNonNull(timeout, "timeout");
        checkOpen();
        viewOf(query).awaitApplied(atLeast, timeout);
        return ask(query, metadata);
    }

    private ProjectionView<?> viewOf(Query<?> query) {
        var type = Objects.requireNonNull(query, "query").getClass();
        return viewsFound
                .computeIfAbsent(type, t -> queries.servedFrom(t).map(viewsOfQueries::get))
                .orElseThrow(() -> new IllegalArgumentException("The query " + type.getName()
                        + " is not answered from the view of a projection, so nobody knows when its answer changes;"
                        + " expected one registered by query(Class, Projection, ...): "
                        + viewsOfQueries.keySet().stream()
                                .map(Class::getName)
                                .sorted()
                                .toList()
                        + ". Or wait for, or watch, the view that its handler reads: view(...), LiveQuery.of(...)."));
    }

    /**
     * Tells what is wired to what: messages, handlers, interceptors, events and projections, as they were when this was
     * built.
     *
     * @return never {@code null}; each call makes it anew
     */
    public Description describe() {
        var catalog = store.catalog();
        return Description.ofApplication(
                commands.describe(events -> Description.namesBelow(events, catalog)),
                queries.describe(),
                catalog,
                wired);
    }

    /**
     * Gives the view of a projection.
     *
     * @param <V> the view
     * @param projection one that was given to the builder, by itself or with a query
     * @return always the same object
     * @throws IllegalArgumentException if it was not given to the builder
     */
    public <V> ProjectionView<V> view(Projection<V> projection) {
        return projections.view(projection);
    }

    /**
     * Gives the command bus; it works on after {@link #close()}.
     *
     * @return never {@code null}
     */
    public CommandBus commands() {
        return commands;
    }

    /**
     * Gives the query bus; it works on after {@link #close()}, as far as its handlers do.
     *
     * @return never {@code null}
     */
    public QueryBus queries() {
        return queries;
    }

    /**
     * Gives the event store; it stays open on {@link #close()}.
     *
     * @return never {@code null}
     */
    public EventStore store() {
        return store;
    }

    /**
     * Gives the engine that runs the projections.
     *
     * @return never {@code null}
     */
    public ProjectionEngine projections() {
        return projections;
    }

    /**
     * Stops the projections, as {@link ProjectionEngine#close()}; from then on nothing is dispatched or asked here. A
     * second call does nothing; messages being handled on other threads end as they will. What a store throws when it is
     * left is thrown here, when all projections have ended.
     *
     * @throws IllegalStateException if called from within the reading of a view that is changed in place; nothing is
     *     closed then
     */
    @Override
    public void close() {
        try {
            projections.close();
            closed = true;
        } catch (Throwable thrown) { // it was refused; or all have ended, but a store throws when it is left
            closed |= projections.status().stream()
                    .noneMatch(status -> status.state() == State.RUNNING || status.state() == State.RETRYING);
            throw thrown;
        }
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("This InMemoryCqrs is closed; build another one.");
        }
    }

    /**
     * Collects everything, and checks the whole when it is built.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final @Nullable Clock clock;
        private final @Nullable EventStore given;
        private final Catalog.Builder catalog = Catalog.builder();
        private final Registry commands = new Registry("command");
        private final Registry queries = new Registry("query");
        private final Map<Class<?>, Consumer<EventStore>> decisions = new LinkedHashMap<>();
        private final Map<Class<?>, Function<ProjectionEngine, ProjectionView<?>>> viewQueries = new LinkedHashMap<>();
        private final Map<String, Planned<?>> projections = new LinkedHashMap<>();
        private final List<String> faults = new ArrayList<>();
        private @Nullable Consumer<? super ProjectionFailure> listener;
        private @Nullable CheckpointStore checkpoints;
        private boolean inBackground;
        private boolean idempotent;
        private @Nullable Remembering remembering;
        private boolean catalogued;
        private boolean built;

        private record Planned<V>(
                Projection<V> projection, Delivery delivery, boolean explicit, Optional<Replaced<V>> before) {

            Planned(Projection<V> projection, Delivery delivery, boolean explicit) {
                this(
                        Objects.requireNonNull(projection, "projection"),
                        Objects.requireNonNull(delivery, "delivery"),
                        explicit,
                        Optional.empty());
            }

            void addTo(ProjectionEngine.Builder engine) {
                if (before.isPresent()) {
                    engine.replace(
                            before.get().projection(),
                            projection,
                            delivery,
                            before.get().executor());
                } else {
                    engine.run(projection, delivery);
                }
            }
        }

        private record Replaced<V>(Projection<V> projection, Executor executor) {}

        private record Remembering(Duration duration, Clock clock) {}

        private Builder(@Nullable Clock clock, @Nullable EventStore given) {
            this.clock = clock;
            this.given = given;
        }

        /**
         * Adds an event without tags of its own, as {@link Catalog.Builder#event(String, Class)}.
         *
         * @param name its stable name
         * @param type its concrete class
         * @return this builder
         */
        public Builder event(String name, Class<?> type) {
            catalog.event(name, type);
            catalogued = true;
            return this;
        }

        /**
         * Adds an event with its tags, as {@link Catalog.Builder#event(String, Class, Function)}.
         *
         * @param <E> the class of the event
         * @param name its stable name
         * @param type its concrete class
         * @param tags gives the tags of an event
         * @return this builder
         */
        public <E> Builder event(String name, Class<E> type, Function<? super E, Set<Tag>> tags) {
            catalog.event(name, type, tags);
            catalogued = true;
            return this;
        }

        /**
         * Adds tags to a family of events, as {@link Catalog.Builder#tags(Class, Function)}.
         *
         * @param <E> the common type of the events
         * @param root a class or interface
         * @param tags gives the tags of an event
         * @return this builder
         */
        public <E> Builder tags(Class<E> root, Function<? super E, Set<Tag>> tags) {
            catalog.tags(root, tags);
            catalogued = true;
            return this;
        }

        /**
         * Registers a command handler, as {@link InMemoryCommandBus.Builder#handle(Class, CommandHandler)}.
         *
         * @param <C> the class of the commands
         * @param <R> the type of their result
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param handler called for each of them
         * @return this builder
         */
        public <C extends Command<R>, R> Builder handle(Class<C> type, CommandHandler<C, R> handler) {
            commands.handle(new Target.OfCommand(type, Objects.requireNonNull(handler, "handler")));
            return this;
        }

        /**
         * Registers a command handler that has no use for metadata.
         *
         * @param <C> the class of the commands
         * @param <R> the type of their result
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param handler called for each of them
         * @return this builder
         */
        public <C extends Command<R>, R> Builder handle(Class<C> type, CommandHandler.Plain<C, R> handler) {
            commands.handle(new Target.OfPlainCommand(type, Objects.requireNonNull(handler, "handler")));
            return this;
        }

        /**
         * Registers a command handler by its type, to be asked for at each send, as
         * {@link InMemoryCommandBus.Builder#handle(Class, Class, Function)}.
         *
         * @param <C> the class of the commands
         * @param <R> the type of their result
         * @param <H> the type of the handler
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param handler what the resolver is asked for
         * @param resolver gives the handler for this send; called by many threads at once
         * @return this builder
         */
        public <C extends Command<R>, R, H extends CommandHandler<C, R>> Builder handle(
                Class<C> type, Class<H> handler, Function<? super Class<H>, ? extends H> resolver) {
            var resolved = new Resolved<>(type, handler, resolver);
            commands.resolve(new Target.OfResolvedCommand(type, resolved), resolved);
            return this;
        }

        /**
         * Registers a command handler without a result.
         *
         * @param <C> the class of the commands
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param body called for each of them
         * @return this builder
         */
        public <C extends Command<Done>> Builder run(Class<C> type, CommandHandler.Action<C> body) {
            commands.handle(new Target.OfAction(type, Objects.requireNonNull(body, "body")));
            return this;
        }

        /**
         * Registers a decision without a result, as {@link DecisionHandler} over the application's store.
         *
         * @param <C> the class of the commands
         * @param <S> the state they are decided on
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param model what the decision on a command depends on
         * @param decide the decision: pure, since it may be made again
         * @return this builder
         */
        public <C extends Command<Done>, S> Builder decide(
                Class<C> type,
                Function<? super C, DecisionModel<S>> model,
                BiFunction<? super C, ? super S, ? extends Decision<?>> decide) {
            return decide(type, model, decide, (command, state) -> Done.DONE);
        }

        /**
         * Registers a decision, as {@link DecisionHandler} over the application's store.
         *
         * @param <C> the class of the commands
         * @param <S> the state they are decided on
         * @param <R> the type of their result
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param model what the decision on a command depends on
         * @param decide the decision: pure, since it may be made again
         * @param result the result, from the command and the state after the decision
         * @return this builder
         */
        public <C extends Command<R>, S, R> Builder decide(
                Class<C> type,
                Function<? super C, DecisionModel<S>> model,
                BiFunction<? super C, ? super S, ? extends Decision<?>> decide,
                BiFunction<? super C, ? super S, ? extends R> result) {
            return decide(type, model, decide, result, Registry.Kind.DECISION);
        }

        private <C extends Command<R>, S, R> Builder decide(
                Class<C> type,
                Function<? super C, DecisionModel<S>> model,
                BiFunction<? super C, ? super S, ? extends Decision<?>> decide,
                BiFunction<? super C, ? super S, ? extends R> result,
                Registry.Kind kind) {
            Objects.requireNonNull(type, "type");
            Objects.requireNonNull(model, "model");
            Objects.requireNonNull(decide, "decide");
            Objects.requireNonNull(result, "result");
            var late = new Late<DecisionHandler<C, S, R>>();
            CommandHandler<C, R> decision = (command, metadata) -> late.get().handle(command, metadata);
            commands.handle(new Target.OfCommand(type, decision), kind);
            decisions.put(
                    type, store -> late.value = wired(new DecisionHandler<C, S, R>(store, model, decide, result)));
            return this;
        }

        private <C extends Command<R>, S, R> DecisionHandler<C, S, R> wired(DecisionHandler<C, S, R> handler) {
            if (!idempotent) {
                return handler;
            }
            var once = handler.idempotent();
            return remembering == null ? once : once.rememberedFor(remembering.duration(), remembering.clock());
        }

        /**
         * Registers a decider for a family of commands without results, over the application's store.
         *
         * @param <C> the commands
         * @param <S> the state they are decided on
         * @param <E> the events
         * @param commands a sealed type above the commands, or the class of the only one
         * @param events the type above the events
         * @param decider decides and evolves
         * @param query which events a command's decision depends on
         * @return this builder
         */
        public <C extends Command<Done>, S, E> Builder decide(
                Class<C> commands, Class<E> events, Decider<C, S, E> decider, Function<? super C, EventQuery> query) {
            return decide(commands, events, decider, query, (command, state) -> Done.DONE);
        }

        /**
         * Registers a decider for a family of commands, over the application's store.
         *
         * @param <C> the commands
         * @param <S> the state they are decided on
         * @param <E> the events
         * @param <R> the type of the commands' result
         * @param commands a sealed type above the commands, or the class of the only one
         * @param events the type above the events
         * @param decider decides and evolves
         * @param query which events a command's decision depends on
         * @param result the result, from the command and the state after the decision
         * @return this builder
         */
        public <C extends Command<R>, S, E, R> Builder decide(
                Class<C> commands,
                Class<E> events,
                Decider<C, S, E> decider,
                Function<? super C, EventQuery> query,
                BiFunction<? super C, ? super S, ? extends R> result) {
            Objects.requireNonNull(query, "query");
            var fold = decider.fold(Objects.requireNonNull(events, "events"));
            return decide(
                    commands,
                    command -> DecisionModel.of(query.apply(command), fold),
                    decider::decide,
                    result,
                    Registry.Kind.decider(events));
        }

        /**
         * Has every decision carry out a command id once, as {@link DecisionHandler#idempotent()}; a given store's
         * catalog must have command ids, and the commands must be records.
         *
         * @return this builder
         */
        public Builder idempotent() {
            catalog.commandIds();
            idempotent = true;
            return this;
        }

        /**
         * Has every decision carry out a command id once and forget it after some time, as
         * {@link DecisionHandler#rememberedFor}; otherwise as {@link #idempotent()}.
         *
         * @param remembered positive
         * @param clock tells what time it is
         * @return this builder
         * @throws IllegalArgumentException if {@code remembered} is not positive
         */
        public Builder idempotent(Duration remembered, Clock clock) {
            if (remembered.isNegative() || remembered.isZero()) {
                throw new IllegalArgumentException(
                        "Command ids are to be remembered for " + remembered + "; expected a positive duration.");
            }
            remembering = new Remembering(remembered, Objects.requireNonNull(clock, "clock"));
            return idempotent();
        }

        /**
         * Registers a query handler, as {@link InMemoryQueryBus.Builder#handle(Class, QueryHandler)}.
         *
         * @param <Q> the class of the queries
         * @param <R> the type of their answer
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param handler called for each of them
         * @return this builder
         */
        public <Q extends Query<R>, R> Builder query(Class<Q> type, QueryHandler<Q, R> handler) {
            queries.handle(new Target.OfQuery(type, Objects.requireNonNull(handler, "handler")));
            return this;
        }

        /**
         * Registers a query handler that has no use for metadata.
         *
         * @param <Q> the class of the queries
         * @param <R> the type of their answer
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param handler called for each of them
         * @return this builder
         */
        public <Q extends Query<R>, R> Builder query(Class<Q> type, QueryHandler.Plain<Q, R> handler) {
            queries.handle(new Target.OfPlainQuery(type, Objects.requireNonNull(handler, "handler")));
            return this;
        }

        /**
         * Registers a query handler by its type, to be asked for at each query, as
         * {@link InMemoryQueryBus.Builder#handle(Class, Class, Function)}.
         *
         * @param <Q> the class of the queries
         * @param <R> the type of their answer
         * @param <H> the type of the handler
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param handler what the resolver is asked for
         * @param resolver gives the handler for this query; called by many threads at once
         * @return this builder
         */
        public <Q extends Query<R>, R, H extends QueryHandler<Q, R>> Builder query(
                Class<Q> type, Class<H> handler, Function<? super Class<H>, ? extends H> resolver) {
            var resolved = new Resolved<>(type, handler, resolver);
            queries.resolve(new Target.OfResolvedQuery(type, resolved), resolved);
            return this;
        }

        /**
         * Registers a query that is answered from the view of a projection; the projection runs inline, unless it was
         * or will be given to {@link #background}.
         *
         * @param <Q> the class of the queries
         * @param <V> the view
         * @param <R> the type of their answer
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param projection whose view to read
         * @param answer reads the answer from the view, never {@code null}; must neither change the view nor hand it out
         * @return this builder
         */
        public <Q extends Query<R>, V, R> Builder query(
                Class<Q> type, Projection<V> projection, BiFunction<? super Q, ? super V, ? extends R> answer) {
            Objects.requireNonNull(answer, "answer");
            add(new Planned<>(projection, Delivery.inline(), false));
            var late = new Late<ProjectionView<V>>();
            BiFunction<Q, V, R> checked = (query, view) -> {
                R given = answer.apply(query, view);
                if (given == null) { // told here, as read() knows neither the query nor whose fault it is
                    throw new HandlerFailedException(
                            query.getClass(), "The answer from the view of projection \"" + projection.name() + "\"");
                }
                return given;
            };
            QueryHandler.Plain<Q, R> reader = query -> late.get().<R>read(view -> checked.apply(query, view));
            queries.handle(new Target.OfPlainQuery(type, reader), Registry.Kind.view(projection.name()));
            viewQueries.put(type, engine -> {
                var view = engine.view(projection);
                late.value = view;
                return view;
            });
            return this;
        }

        /**
         * Adds a projection that runs inline, as {@link ProjectionEngine.Builder#inline}.
         *
         * @param projection with a name of its own
         * @return this builder
         */
        public Builder projection(Projection<?> projection) {
            return run(projection, Delivery.inline());
        }

        /**
         * Adds a projection that runs on an executor, as {@link ProjectionEngine.Builder#background}; needs
         * {@link #onError}.
         *
         * @param projection with a name of its own
         * @param executor runs the folding; stays open on close
         * @return this builder
         */
        public Builder background(Projection<?> projection, Executor executor) {
            Objects.requireNonNull(projection, "projection");
            return run(projection, Delivery.background(executor));
        }

        /**
         * Adds a projection, as {@link ProjectionEngine.Builder#run}; needs {@link #onError} unless it is inline.
         *
         * @param projection with a name of its own
         * @param delivery where it runs, and what is done when an event fails
         * @return this builder
         */
        public Builder run(Projection<?> projection, Delivery delivery) {
            add(new Planned<>(projection, delivery, true));
            inBackground |= !delivery.isInline();
            return this;
        }

        /**
         * Adds a projection in a new version, and the version before, as {@link ProjectionEngine.Builder#replace}; needs
         * {@link #onError}.
         *
         * @param <V> the view, the same for both
         * @param before the version before, with its fold as it was
         * @param projection the new version, with which queries are registered
         * @param delivery how either runs
         * @param executor builds the new version; stays open on close
         * @return this builder
         */
        public <V> Builder replace(
                Projection<V> before, Projection<V> projection, Delivery delivery, Executor executor) {
            add(new Planned<>(
                    Objects.requireNonNull(projection, "projection"),
                    Objects.requireNonNull(delivery, "delivery"),
                    true,
                    Optional.of(new Replaced<>(
                            Objects.requireNonNull(before, "before"), Objects.requireNonNull(executor, "executor")))));
            inBackground = true;
            return this;
        }

        /**
         * Keeps the progress of projections in a store, as {@link ProjectionEngine.Builder#checkpoints}.
         *
         * @param checkpoints where to; without this call every view begins at zero
         * @return this builder
         */
        public Builder checkpoints(CheckpointStore checkpoints) {
            this.checkpoints = Objects.requireNonNull(checkpoints, "checkpoints");
            return this;
        }

        /**
         * Demands that every class below {@code sealedRoot}, commands or queries, has a handler.
         *
         * @param sealedRoot a sealed type
         * @return this builder
         */
        public Builder requireAll(Class<?> sealedRoot) {
            (Query.class.isAssignableFrom(sealedRoot) ? queries : commands).requireAll(sealedRoot);
            return this;
        }

        /**
         * Adds an interceptor to both buses.
         *
         * @param order lower numbers run further out; equal ones in the order of these calls
         * @param interceptor runs around every message that it applies to
         * @return this builder
         */
        public Builder intercept(int order, Interceptor interceptor) {
            commands.intercept(order, interceptor);
            queries.intercept(order, interceptor);
            return this;
        }

        /**
         * Says who is told when a projection stops.
         *
         * @param listener told on the thread on which it stopped; without this call, and with inline projections only,
         *     the thread's handler of uncaught exceptions is told
         * @return this builder
         */
        public Builder onError(Consumer<? super ProjectionFailure> listener) {
            if (this.listener != null) {
                faults.add("onError(...) was called twice; expected once. Tell both from one listener.");
            }
            this.listener = Objects.requireNonNull(listener, "listener");
            return this;
        }

        /**
         * Makes the application: inline views are up to date when it returns. A builder makes one application.
         *
         * @return never {@code null}; close it
         * @throws WiringException listing every fault of buses, decisions, catalog and the names of projections; if there is
         *     none, every fault of how projections are to be run, as {@link ProjectionEngine.Builder#build} finds them
         * @throws IllegalStateException if this builder has made an application
         */
        public InMemoryCqrs build() {
            if (built) { // its handlers found their store and views through this builder, and would change over
                throw new IllegalStateException("This builder has made an InMemoryCqrs; expected one build() a"
                        + " builder. Use another builder for another application.");
            }
            var all = new ArrayList<>(faults);
            if (given != null && catalogued) {
                all.add("event(...) or tags(...) was called beside a given store, which has a catalog of its own."
                        + " Add the events to that catalog.");
            }
            if (given != null && idempotent && !hasCommandIds(given)) {
                all.add("idempotent() needs command ids, which the catalog of the given store does not have. Add"
                        + " commandIds() to that catalog.");
            }
            if (inBackground && listener == null) {
                all.add("background(...) needs onError(...): nobody else would hear of a projection that stops.");
            }
            var store = collect(all, this::store);
            var commandBus = collect(all, () -> new InMemoryCommandBus(commands.copy()));
            var queryBus = collect(all, () -> new InMemoryQueryBus(queries.copy()));
            checkRecords(all);
            if (store != null) {
                wireDecisions(store, all);
            }
            if (store == null || commandBus == null || queryBus == null || !all.isEmpty()) {
                throw new WiringException("InMemoryCqrs", all);
            }
            var engine = ProjectionEngine.builder(store, listener != null ? listener : InMemoryCqrs::tellThread);
            if (checkpoints != null) {
                engine.checkpoints(checkpoints);
            }
            if (clock != null) {
                engine.clock(clock);
            }
            projections.values().forEach(plan -> plan.addTo(engine));
            var running = engine.build();
            var views = new HashMap<Class<?>, ProjectionView<?>>();
            viewQueries.forEach((type, view) -> views.put(type, view.apply(running)));
            built = true;
            return new InMemoryCqrs(
                    store,
                    commandBus,
                    queryBus,
                    running,
                    projections.values().stream()
                            .map(plan -> new Description.Wired(
                                    plan.projection(), plan.delivery().isInline()))
                            .toList(),
                    Map.copyOf(views));
        }

        /** Whatever becomes of the store. */
        private void checkRecords(List<String> all) {
            if (!idempotent) {
                return;
            }
            for (var type : decisions.keySet()) {
                commands.servedBy(type).stream()
                        .filter(served -> !served.isRecord())
                        .map(served -> served.getName() + " is no record, so its toString() may not tell one command"
                                + " from another, which idempotent() needs. Make it a record, or register a"
                                + " DecisionHandler with idempotent(text) by handle(...).")
                        .forEach(all::add);
            }
        }

        /** Before projections begin to follow the store, as nobody could end them where a decision is refused. */
        private void wireDecisions(EventStore store, List<String> all) {
            if (idempotent && !hasCommandIds(store)) {
                return; // told already
            }
            for (var decision : decisions.values()) {
                try {
                    decision.accept(store);
                } catch (IllegalStateException untagged) {
                    all.add(Objects.requireNonNull(untagged.getMessage()));
                    return; // all others would say the same
                }
            }
        }

        private EventStore store() {
            return given != null ? given : new InMemoryEventStore(catalog.build(), Objects.requireNonNull(clock));
        }

        /** What a query implies gives way to what is said of the same projection outright. */
        private void add(Planned<?> planned) {
            var earlier = projections.putIfAbsent(planned.projection().name(), planned);
            if (earlier == null) {
                return;
            }
            if (!earlier.projection().equals(planned.projection()) || (earlier.explicit() && planned.explicit())) {
                faults.add("Two projections are named \"" + planned.projection().name()
                        + "\"; expected one. Rename or remove one: checkpoints and status are kept by name.");
            } else if (planned.explicit()) {
                projections.put(planned.projection().name(), planned);
            }
        }

        private static boolean hasCommandIds(EventStore store) {
            return store.catalog().types().containsAll(Set.of(CommandId.class, CommandRefused.class));
        }

        private static <T> @Nullable T collect(List<String> all, Supplier<T> part) {
            try {
                return part.get();
            } catch (WiringException wrong) {
                all.addAll(wrong.faults());
                return null;
            }
        }
    }

    private static void tellThread(ProjectionFailure failure) {
        Listeners.hand(new ProjectionStoppedException(failure));
    }

    /** What a handler needs and gets after it was registered, before its first message. */
    private static final class Late<T> {

        private @Nullable T value;

        T get() {
            return Objects.requireNonNull(value);
        }
    }
}
