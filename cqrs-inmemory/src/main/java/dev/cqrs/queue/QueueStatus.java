package dev.cqrs.queue;

/**
 * How a command queue stands, at one moment.
 *
 * <p>While commands come and go, the numbers are of slightly different moments; none is ever negative.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param accepted how many commands the queue has taken in all
 * @param waiting how many of them are not begun
 * @param running how many of them are being dispatched
 * @param failed how many of them ended with an exception; nobody else may have looked at it
 * @param refused how many were not taken, since the queue was full
 */
public record QueueStatus(long accepted, long waiting, long running, long failed, long refused) {}
