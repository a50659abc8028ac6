/** How the store in memory publishes events to readers without a lock, under the memory model of a real machine. */
@NullMarked
package dev.cqrs.concurrency;

import org.jspecify.annotations.NullMarked;
