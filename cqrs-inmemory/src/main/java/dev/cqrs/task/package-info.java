/**
 * What the engines have in common in giving tasks to an executor and a timer, and in telling what was thrown.
 *
 * <p>Looks at nothing but the JDK. Not exported: the other rooms of this module alone may enter.
 */
@NullMarked
package dev.cqrs.task;

import org.jspecify.annotations.NullMarked;
