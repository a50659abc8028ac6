/**
 * Commands stored on PostgreSQL by a {@code CommandSchedule}: parcels are ordered in one process and packed by two others, one of which is killed.
 *
 * <p>Begin with {@code Parcels}, what it is about, then {@code PackingProcess}, a worker, and {@code ParcelQueue}, which
 * starts it all.
 */
@NullMarked
package dev.cqrs.examples.schedule;

import org.jspecify.annotations.NullMarked;
