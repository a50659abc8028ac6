/**
 * The standing orders of a bank, each carried out by a saga: debited here, credited at another bank, which refuses, is down,
 * answers late, twice or not at all, and given back where that fails.
 *
 * <p>Begin with {@code Transfer}, the saga, then {@code Bank}, a participant, and {@code Month}, which has a month of orders
 * carried out. {@code Wire} is what goes wrong on the way, and {@code Books} the judge: it knows the banks' own logs alone.
 */
@NullMarked
package dev.cqrs.examples.transfers;

import org.jspecify.annotations.NullMarked;
