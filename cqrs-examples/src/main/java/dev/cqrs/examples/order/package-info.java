/**
 * An order as a saga: paid, reserved, labelled and invoiced at once, shipped, and undone in reverse where a step fails.
 *
 * <p>Begin with {@code OrderSaga}, which reads like the process, then {@code Shop}, those who take part, and
 * {@code OrderProcess}, which runs some orders and tells what became of them.
 */
@NullMarked
package dev.cqrs.examples.order;

import org.jspecify.annotations.NullMarked;
