package dev.cqrs.jdbc;

import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Position;
import dev.cqrs.projection.CheckpointStore;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint store on PostgreSQL: views of projections and snapshots of decisions go on where they ended, in whichever
 * process.
 *
 * <p>States are kept as bytes, JSON unless another codec is given. Which class a state is read as is told to the builder by
 * the checkpoint's name; a name from the database never becomes a class.
 *
 * <p>A state that cannot be read is as if it had never been saved, and the builder's listener is told: states are folds of
 * the log, so that what is lost is time, and a class that has changed together with its projection's version makes
 * yesterday's state unreadable in the most ordinary way. The next save replaces it. A state that could not be read from the
 * first is not saved.
 *
 * <p><b>Threads:</b> thread-safe. Takes a connection for each call.
 *
 * <p><b>Errors:</b> what the database cannot do is a {@link DatabaseException}, and, where it lacks the schema under the
 * prefix, a {@link SchemaMismatchException}; a name of no known class, or of characters
 * that PostgreSQL cannot keep, is an {@link IllegalArgumentException}, and so is a state that cannot be saved.
 */
public final class JdbcCheckpointStore implements CheckpointStore {

    private final DataSource dataSource;
    private final JdbcSchema schema;
    private final Statements sql;
    private final EventCodec codec;
    private final States states;
    private final Consumer<? super Unreadable> listener;
    private final Consumer<Connection> guard;

    /**
     * A state that was found and could not be read.
     *
     * @param name the checkpoint's name
     * @param version its version
     * @param position its position
     * @param cause why
     */
    public record Unreadable(String name, int version, Position position, Throwable cause) {

        /**
         * Checks for nulls.
         *
         * @param name the checkpoint's name
         * @param version its version
         * @param position its position
         * @param cause why
         * @throws NullPointerException if a part is {@code null}
         */
        public Unreadable {
            Objects.requireNonNull(name, "name");
            Objects.requireNonNull(position, "position");
            Objects.requireNonNull(cause, "cause");
        }
    }

    /** The texts, with the prefix put in. */
    private record Statements(String load, String position, String save, String delete) {

        static Statements of(String prefix) {
            var table = prefix + "_checkpoint";
            return new Statements(
                    "select name, version, position, state from " + table
                            + " where name in (?, ?) order by length(name)",
                    "select position from " + table + " where name = ?",
                    "insert into " + table
                            + " (name, version, position, state) values (?, ?, ?, ?)"
                            + " on conflict (name) do update set version = excluded.version,"
                            + " position = excluded.position, state = excluded.state",
                    "delete from " + table + " where name = ?");
        }
    }

    /**
     * What follows a checkpoint's name in that of the row with the events that were put aside: no name that is meant to be
     * read holds it. The row is there while there are such events, and is written in one transaction with the state.
     */
    private static final String PARKED = "\u0001parked";

    /** What to do where the class of a state does not say how it is read. */
    private static final String CURE =
            "Tell the builder the class that all these states are of, such as a record with a field"
                    + " for each case, or give it a codec(...) that tells the cases apart.";

    /** Which class a state has, by its checkpoint's name. */
    private record States(Map<String, Class<?>> byName, TreeMap<String, Class<?>> byBeginning) {

        Class<?> of(String name) {
            var exact = byName.get(name);
            if (exact != null) {
                return exact;
            }
            // the longest beginning is the last that is not behind the name, among those it begins with
            for (var entry : byBeginning.headMap(name, true).descendingMap().entrySet()) {
                if (name.startsWith(entry.getKey())) {
                    return entry.getValue();
                }
            }
            throw new IllegalArgumentException("The class of the state of \"" + name + "\" is not known; known are "
                    + byName.keySet() + " and what begins with " + byBeginning.keySet()
                    + ". Tell the builder with state(name, class) or states(beginning, class).");
        }
    }

    private JdbcCheckpointStore(
            DataSource dataSource,
            JdbcSchema schema,
            EventCodec codec,
            States states,
            Consumer<? super Unreadable> listener,
            Consumer<Connection> guard) {
        this.dataSource = dataSource;
        this.schema = schema;
        this.sql = Statements.of(schema.prefix());
        this.codec = codec;
        this.states = states;
        this.listener = listener;
        this.guard = guard;
    }

    /**
     * Begins a store.
     *
     * @param dataSource where the schema is; stays open
     * @param listener told of states that cannot be read, on the thread that loads them; what it throws reaches the caller
     *     of {@code load}
     * @return a builder
     */
    public static Builder builder(DataSource dataSource, Consumer<? super Unreadable> listener) {
        return new Builder(
                Objects.requireNonNull(dataSource, "dataSource"), Objects.requireNonNull(listener, "listener"));
    }

    /**
     * Gives a view of this store that writes only while the present ownership of a lease lasts, in the transaction that
     * proves it.
     *
     * <p>For what runs in one process at a time ({@link JdbcLease#whileHeld}): an owner that was paused past its lease
     * overwrites nothing, not even after it has taken the lease again. To be called each time the lease is taken.
     *
     * @param lease of the same database, held
     * @return a store whose {@code save} and {@code delete} throw {@link LeaseLostException} if that ownership has ended
     * @throws LeaseLostException if the lease is not held, as far as is known here
     */
    public CheckpointStore guardedBy(JdbcLease lease) {
        long fence = lease.fence().orElseThrow(() -> lease.lost(0));
        return new JdbcCheckpointStore(
                dataSource, schema, codec, states, listener, connection -> lease.guard(connection, fence));
    }

    @Override
    public Optional<Checkpoint> load(String name) {
        Texts.check("The name of a checkpoint", name);
        var type = states.of(name);
        Optional<Row> found;
        try {
            found = Transaction.read(dataSource, connection -> row(connection, name));
        } catch (SQLException failed) {
            schema.checkAfter(failed, dataSource);
            throw DatabaseException.ofRead("Loading the checkpoint \"" + name + "\"", failed);
        }
        return found.flatMap(row -> checkpoint(name, row, type));
    }

    private Optional<Checkpoint> checkpoint(String name, Row row, Class<?> type) {
        try {
            var state = codec.decode(row.state, type);
            if (type.isInstance(state)) {
                return Optional.of(new Checkpoint(row.version, row.position, state, row.parked));
            }
            throw new IllegalStateException("The codec " + codec.getClass().getName() + " decoded "
                    + (state == null ? "null" : state.getClass().getName()) + "; expected " + type.getName() + ".");
        } catch (Throwable unreadable) {
            if (unreadable instanceof Error error
                    && !(error instanceof LinkageError || error instanceof AssertionError)) {
                throw error; // of the virtual machine, and no fault of the state
            }
            if (unreadable instanceof InterruptedException) { // a language without checked exceptions may throw it
                Thread.currentThread().interrupt();
            }
            listener.accept(new Unreadable(name, row.version, row.position, unreadable));
            return Optional.empty();
        }
    }

    private static final class Row {

        final int version;
        final Position position;
        final byte[] state;
        List<Parked> parked = List.of();

        Row(ResultSet row) throws SQLException {
            version = row.getInt(2);
            position = Position.of(row.getLong(3));
            state = row.getBytes(4);
        }
    }

    private Optional<Row> row(Connection connection, String name) throws SQLException {
        try (var load = connection.prepareStatement(sql.load())) {
            load.setString(1, name);
            load.setString(2, name + PARKED);
            try (var rows = load.executeQuery()) {
                if (!rows.next() || !rows.getString(1).equals(name)) {
                    return Optional.empty();
                }
                var found = new Row(rows);
                if (rows.next()) {
                    found.parked = ParkedText.read(rows.getBytes(4));
                }
                return Optional.of(found);
            }
        }
    }

    @Override
    public Optional<Position> position(String name) {
        Texts.check("The name of a checkpoint", name);
        try {
            return Transaction.read(dataSource, connection -> {
                try (var position = connection.prepareStatement(sql.position())) {
                    position.setString(1, name);
                    try (var row = position.executeQuery()) {
                        return row.next() ? Optional.of(Position.of(row.getLong(1))) : Optional.<Position>empty();
                    }
                }
            });
        } catch (SQLException failed) {
            schema.checkAfter(failed, dataSource);
            throw DatabaseException.ofRead("Loading the position of the checkpoint \"" + name + "\"", failed);
        }
    }

    @Override
    public List<Parked> parked(String name) {
        Texts.check("The name of a checkpoint", name);
        try {
            return Transaction.read(dataSource, connection -> row(connection, name))
                    .map(row -> row.parked)
                    .orElse(List.of());
        } catch (SQLException failed) {
            schema.checkAfter(failed, dataSource);
            throw DatabaseException.ofRead("Loading what the checkpoint \"" + name + "\" has put aside", failed);
        }
    }

    @Override
    public void save(String name, Checkpoint checkpoint) {
        Texts.check("The name of a checkpoint", name);
        var type = states.of(name);
        var state = checkpoint.state();
        if (!type.isInstance(state)) {
            throw new IllegalArgumentException(
                    "The state of \"" + name + "\" is of " + state.getClass().getName() + "; expected " + type.getName()
                            + ", as which it would be read. Correct the builder's class.");
        }
        var bytes = codec.encode(state);
        if (state.getClass() != type) {
            checkComesBack(name, state, bytes, type);
        }
        var parked = checkpoint.parked();
        write("Saving", name, connection -> {
            save(connection, name, checkpoint, bytes); // first, as who saves the same waits for that row
            if (parked.isEmpty()) {
                delete(connection, name + PARKED);
            } else {
                save(connection, name + PARKED, checkpoint, ParkedText.write(parked));
            }
        });
    }

    /** Whether bytes that are read as a class above a state's say which it was, nobody knows but the codec. */
    private void checkComesBack(String name, Object state, byte[] bytes, Class<?> type) {
        Object read;
        try {
            read = codec.decode(bytes, type);
        } catch (RuntimeException cannot) {
            throw lost(name, state, type, "could not be read", cannot);
        }
        if (!state.getClass().isInstance(read) && !state.equals(read)) {
            var back = read == null ? "null" : read.getClass().getName();
            throw lost(name, state, type, "would come back as " + back, null);
        }
    }

    private static IllegalArgumentException lost(
            String name, Object state, Class<?> type, String how, @Nullable Throwable cause) {
        return new IllegalArgumentException(
                "The state of \"" + name + "\" is of " + state.getClass().getName() + "; read as " + type.getName()
                        + ", which the builder was told, it " + how + ". " + CURE,
                cause);
    }

    private void save(Connection connection, String name, Checkpoint checkpoint, byte[] state) throws SQLException {
        try (var save = connection.prepareStatement(sql.save())) {
            save.setString(1, name);
            save.setInt(2, checkpoint.version());
            save.setLong(3, checkpoint.position().value());
            save.setBytes(4, state);
            save.executeUpdate();
        }
    }

    @Override
    public void delete(String name) {
        Texts.check("The name of a checkpoint", name);
        write("Deleting", name, connection -> {
            delete(connection, name);
            delete(connection, name + PARKED);
        });
    }

    private void delete(Connection connection, String name) throws SQLException {
        try (var delete = connection.prepareStatement(sql.delete())) {
            delete.setString(1, name);
            delete.executeUpdate();
        }
    }

    /** What is written in a transaction. */
    @FunctionalInterface
    private interface Writing {
        void on(Connection connection) throws SQLException;
    }

    private void write(String what, String name, Writing work) {
        try {
            Transaction.run(dataSource, connection -> {
                guard.accept(connection);
                work.on(connection);
                return true;
            });
        } catch (SQLException failed) {
            schema.checkAfter(failed, dataSource);
            throw DatabaseException.ofRepeatable(what + " the checkpoint \"" + name + "\"", failed);
        }
    }

    /**
     * Says where checkpoints are kept, and of which classes their states are.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final DataSource dataSource;
        private final Consumer<? super Unreadable> listener;
        private final Map<String, Class<?>> byName = new LinkedHashMap<>();
        private final TreeMap<String, Class<?>> byBeginning = new TreeMap<>();
        private String prefix = JdbcSchema.DEFAULT_PREFIX;
        private EventCodec codec = new JacksonEventCodec();

        private Builder(DataSource dataSource, Consumer<? super Unreadable> listener) {
            this.dataSource = dataSource;
            this.listener = listener;
        }

        /**
         * Sets the prefix of the tables. It is never that of an event store unless it is said here: where several logs live in
         * one database, checkpoints of one name would otherwise be taken for each other's.
         *
         * @param prefix that of the schema; {@value JdbcSchema#DEFAULT_PREFIX} without this call
         * @return this builder
         * @throws IllegalArgumentException if it is no prefix
         */
        public Builder prefix(String prefix) {
            this.prefix = JdbcSchema.of(prefix).prefix();
            return this;
        }

        /**
         * Sets what turns states into bytes and back.
         *
         * @param codec never {@code null}; {@link JacksonEventCodec} without this call
         * @return this builder
         */
        public Builder codec(EventCodec codec) {
            this.codec = Objects.requireNonNull(codec, "codec");
            return this;
        }

        /**
         * Tells the class of one checkpoint's states.
         *
         * @param name the checkpoint's, such as a projection's
         * @param type a class without type parameters, such as a record; a state of another below it is saved only if
         *     reading it gives that back, which is tried with each
         * @return this builder
         * @throws IllegalArgumentException if the name has a class already, or the class has type parameters
         */
        public Builder state(String name, Class<?> type) {
            put(byName, name, type);
            return this;
        }

        /**
         * Tells the class of the states of all checkpoints whose names begin alike and are not told otherwise; the longest
         * beginning counts.
         *
         * @param beginning such as {@code "snapshot/account/"} for the snapshots of that name; {@code ""} for all
         * @param type a class without type parameters, such as a record; a state of another below it is saved only if
         *     reading it gives that back, which is tried with each
         * @return this builder
         * @throws IllegalArgumentException if the beginning has a class already, or the class has type parameters
         */
        public Builder states(String beginning, Class<?> type) {
            put(byBeginning, beginning, type);
            return this;
        }

        private static void put(Map<String, Class<?>> map, String name, Class<?> type) {
            if (type.getTypeParameters().length > 0) {
                throw new IllegalArgumentException("The states of \"" + name + "\" are to be of " + type.getName()
                        + ", whose type parameters are not known when it is read, so that a long may come back as an"
                        + " int. Wrap it in a record.");
            }
            var earlier = map.putIfAbsent(Objects.requireNonNull(name, "name"), type);
            if (earlier != null) {
                throw new IllegalArgumentException("The states of \"" + name + "\" are said to be of "
                        + earlier.getName() + " and of " + type.getName() + ". Keep one.");
            }
        }

        /**
         * Makes the store; the database is not asked.
         *
         * @return never {@code null}
         * @throws IllegalArgumentException if states of a class could not be read from JSON, such as those of an interface,
         *     also a sealed one; with another codec, that is seen when the first is saved
         */
        public JdbcCheckpointStore build() {
            if (codec instanceof JacksonEventCodec) {
                byName.forEach(Builder::checkReadable);
                byBeginning.forEach(Builder::checkReadable);
            }
            return new JdbcCheckpointStore(
                    dataSource,
                    JdbcSchema.of(prefix),
                    codec,
                    new States(Map.copyOf(byName), new TreeMap<>(byBeginning)),
                    listener,
                    connection -> {});
        }

        private static void checkReadable(String name, Class<?> type) {
            try {
                JacksonEventCodec.checkReadable(type);
            } catch (IllegalArgumentException cannot) {
                throw new IllegalArgumentException(
                        "The states of \"" + name + "\" are to be of " + type.getName()
                                + ", as which none could be read from JSON: it would be saved for nothing. " + CURE,
                        cannot);
            }
        }
    }
}
