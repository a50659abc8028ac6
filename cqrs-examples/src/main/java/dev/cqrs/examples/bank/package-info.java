/**
 * A bank on the library: commands, events, two views and the year 1993 of a real bank run through them.
 *
 * <p>Begin with {@code Bank}, which wires it all, then {@code BankYear}, the program.
 */
@NullMarked
package dev.cqrs.examples.bank;

import org.jspecify.annotations.NullMarked;
