/**
 * The journal: who sent which command, what became of it, and all of it once more.
 *
 * <p>Begin with {@code AuditedTills}, which is run.
 */
@NullMarked
package dev.cqrs.examples.journal;

import org.jspecify.annotations.NullMarked;
