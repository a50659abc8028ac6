/**
 * The stores on PostgreSQL, version 14 or later: what is in the log outlives the process, and several processes share it.
 *
 * <p>Looks at the core, at JDBC and at Jackson. Applications enter; no other room of the library does.
 */
@NullMarked
package dev.cqrs.jdbc;

import org.jspecify.annotations.NullMarked;
