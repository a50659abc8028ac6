/**
 * Forgetting a person in a log that never changes: personal fields are encrypted with a key of the person's own, and to
 * forget is to destroy the key.
 *
 * <p>Begin with {@code Club}; {@code ShreddingCodec} does the work.
 */
@NullMarked
package dev.cqrs.examples.privacy;

import org.jspecify.annotations.NullMarked;
