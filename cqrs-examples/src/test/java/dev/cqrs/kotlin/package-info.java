/** A consumer of this library written in Kotlin. */
@NullMarked
package dev.cqrs.kotlin;

import org.jspecify.annotations.NullMarked;
