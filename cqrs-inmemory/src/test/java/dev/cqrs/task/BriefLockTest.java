package dev.cqrs.task;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class BriefLockTest {

    private final BriefLock lock = new BriefLock();

    @Test
    void who_waits_for_long_sleeps_and_is_woken_and_an_interrupt_does_not_let_it_in() throws Exception {
        var inside = new CountDownLatch(1);
        var waiting = new Thread(() -> {
            lock.lock();
            try {
                inside.countDown();
            } finally {
                lock.unlock();
            }
        });

        lock.lock();
        try {
            lock.lock();
            try {
                waiting.start();
                while (waiting.getState() != Thread.State.WAITING) {
                    Thread.onSpinWait();
                }
                waiting.interrupt();
            } finally {
                lock.unlock();
            }
            assertThat(lock.isHeldByCurrentThread()).isTrue();
            assertThat(inside.getCount()).isOne();
        } finally {
            lock.unlock();
        }

        inside.await();
        waiting.join();
        assertThat(lock.isLocked()).isFalse();
    }

    @Test
    void one_thread_at_a_time_is_inside() throws Exception {
        var count = new int[1];
        var threads = new Thread[4];
        for (int i = 0; i < threads.length; i++) {
            threads[i] = new Thread(() -> {
                for (int j = 0; j < 100_000; j++) {
                    lock.lock();
                    try {
                        count[0]++;
                    } finally {
                        lock.unlock();
                    }
                }
            });
        }
        for (var thread : threads) {
            thread.start();
        }
        for (var thread : threads) {
            thread.join();
        }

        assertThat(count[0]).isEqualTo(400_000);
    }
}
