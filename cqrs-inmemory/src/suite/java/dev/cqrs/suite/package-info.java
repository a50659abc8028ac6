/** Tests of the engine that are run over every pair of stores: each module with one of its own compiles them and extends them. */
@NullMarked
package dev.cqrs.suite;

import org.jspecify.annotations.NullMarked;
