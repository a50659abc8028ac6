/** Tests against a real PostgreSQL, which {@code Postgres} starts. */
@NullMarked
package dev.cqrs.jdbc;

import org.jspecify.annotations.NullMarked;
