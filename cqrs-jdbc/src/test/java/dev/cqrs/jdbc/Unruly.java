package dev.cqrs.jdbc;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.util.List;
import javax.sql.DataSource;

/** Data sources whose connections, statements and results do at each call what a test says. */
final class Unruly {

    private static final List<Class<?>> WRAPPED =
            List.of(DataSource.class, Connection.class, PreparedStatement.class, ResultSet.class);

    private Unruly() {}

    /** The call as it was meant. */
    @FunctionalInterface
    interface Call {
        Object make() throws Throwable;
    }

    @FunctionalInterface
    interface Behaviour {

        /**
         * Makes the call or not, and throws or not.
         *
         * @param what such as {@code Connection.close()} or {@code Connection.setAutoCommit(true)}
         */
        Object at(String what, Call call) throws Throwable;
    }

    static DataSource source(DataSource inner, Behaviour behaviour) {
        return (DataSource) wrapped(inner, behaviour);
    }

    private static Object wrapped(Object inner, Behaviour behaviour) {
        for (var type : WRAPPED) {
            if (type.isInstance(inner)) {
                return Proxy.newProxyInstance(
                        Unruly.class.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
                            var what = type.getSimpleName() + "." + method.getName() + "("
                                    + (arguments == null ? "" : arguments[0]) + ")";
                            return behaviour.at(what, () -> {
                                try {
                                    var result = method.invoke(inner, arguments);
                                    return method.getName().equals("unwrap") ? result : wrapped(result, behaviour);
                                } catch (InvocationTargetException thrown) {
                                    throw thrown.getCause();
                                }
                            });
                        });
            }
        }
        return inner;
    }
}
