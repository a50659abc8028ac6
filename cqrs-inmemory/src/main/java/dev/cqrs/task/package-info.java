/**
 * What the engines have in common: giving tasks to an executor and a timer, waiting, reading on what they have written, and
 * telling what was thrown.
 *
 * <p>Looks at the core's stores only. Not exported: the other rooms of this module alone may enter.
 */
@NullMarked
package dev.cqrs.task;

import org.jspecify.annotations.NullMarked;
