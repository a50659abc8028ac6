package dev.cqrs.jdbc;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.sql.DataSource;

/** Data sources that give the same connection again and again, and leave it as it is. */
final class OneConnection {

    private OneConnection() {}

    private interface Giver {
        Connection give() throws SQLException;
    }

    /** Closing the connection does nothing. */
    static DataSource source(Connection connection) {
        var kept = kept(connection, () -> {});
        return source(() -> kept);
    }

    /** Whoever wants the connection waits until it has been closed. */
    static DataSource pool(Connection connection) {
        var free = new Semaphore(1);
        return source(() -> {
            free.acquireUninterruptibly();
            var closed = new AtomicBoolean();
            return kept(connection, () -> {
                if (!closed.getAndSet(true)) {
                    free.release();
                }
            });
        });
    }

    private static Connection kept(Connection connection, Runnable close) {
        return (Connection) Proxy.newProxyInstance(
                OneConnection.class.getClassLoader(), new Class<?>[] {Connection.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("close")) {
                        close.run();
                        return null;
                    }
                    try {
                        return method.invoke(connection, arguments);
                    } catch (InvocationTargetException thrown) {
                        throw thrown.getCause();
                    }
                });
    }

    private static DataSource source(Giver giver) {
        return (DataSource) Proxy.newProxyInstance(
                OneConnection.class.getClassLoader(), new Class<?>[] {DataSource.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("getConnection")) {
                        return giver.give();
                    }
                    throw new UnsupportedOperationException(method.getName());
                });
    }
}
