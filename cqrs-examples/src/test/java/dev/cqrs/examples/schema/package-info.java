/** Reads what earlier versions have written, and holds a store that keeps bytes to the contract of stores. */
@NullMarked
package dev.cqrs.examples.schema;

import org.jspecify.annotations.NullMarked;
