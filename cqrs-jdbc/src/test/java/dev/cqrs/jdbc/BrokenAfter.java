package dev.cqrs.jdbc;

import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Logger;
import javax.sql.DataSource;

/** A data source that gives some connections and then does something else. */
final class BrokenAfter implements DataSource {

    private final DataSource inner;
    private final AtomicInteger left;
    private final Runnable instead;

    BrokenAfter(DataSource inner, int connections, Runnable instead) {
        this.inner = inner;
        this.left = new AtomicInteger(connections);
        this.instead = instead;
    }

    @Override
    public Connection getConnection() throws SQLException {
        if (left.getAndDecrement() <= 0) {
            instead.run();
        }
        return inner.getConnection();
    }

    @Override
    public Connection getConnection(String user, String password) throws SQLException {
        return inner.getConnection(user, password);
    }

    @Override
    public PrintWriter getLogWriter() throws SQLException {
        return inner.getLogWriter();
    }

    @Override
    public void setLogWriter(PrintWriter out) throws SQLException {
        inner.setLogWriter(out);
    }

    @Override
    public void setLoginTimeout(int seconds) throws SQLException {
        inner.setLoginTimeout(seconds);
    }

    @Override
    public int getLoginTimeout() throws SQLException {
        return inner.getLoginTimeout();
    }

    @Override
    public Logger getParentLogger() {
        return Logger.getLogger(BrokenAfter.class.getName());
    }

    @Override
    public <T> T unwrap(Class<T> type) throws SQLException {
        return inner.unwrap(type);
    }

    @Override
    public boolean isWrapperFor(Class<?> type) throws SQLException {
        return inner.isWrapperFor(type);
    }
}
