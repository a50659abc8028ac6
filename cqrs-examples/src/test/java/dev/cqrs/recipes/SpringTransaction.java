package dev.cqrs.recipes;

import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.util.Assert;

/** Runs each message in a transaction of Spring's, which those that its handler sends are part of. */
record SpringTransaction(PlatformTransactionManager manager, Consumer<Throwable> listener) implements Interceptor {

    /** Has a task run when the transaction under way has committed and let its connection go; dropped if it rolls back. */
    @SuppressWarnings("unchecked") // what around() has bound
    void afterCommit(Runnable task) {
        var tasks = (List<Runnable>) TransactionSynchronizationManager.getResource(this);
        Assert.state(tasks != null, "The transaction is not this interceptor's: who dispatched has opened it.");
        tasks.add(task);
    }

    @Override
    public Object around(Object message, Metadata metadata, Next next) throws Exception {
        var transaction = manager.getTransaction(TransactionDefinition.withDefaults());
        var tasks = new ArrayList<Runnable>();
        if (transaction.isNewTransaction()) {
            TransactionSynchronizationManager.bindResource(this, tasks);
        }
        Object result;
        try {
            result = next.proceed(message, metadata);
        } catch (Throwable failed) { // checked ones as well, and they stay what they are
            attempt(() -> manager.rollback(transaction), failed::addSuppressed);
            throw failed;
        } finally {
            if (transaction.isNewTransaction()) {
                TransactionSynchronizationManager.unbindResource(this);
            }
        }
        manager.commit(transaction);
        tasks.forEach(task -> attempt(task, listener)); // not for the sender: a retry would do all of it again
        return result;
    }

    private static void attempt(Runnable task, Consumer<Throwable> listener) {
        try {
            task.run();
        } catch (Throwable failed) {
            listener.accept(failed);
        }
    }
}
