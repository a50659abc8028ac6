/**
 * The published examples of dynamic consistency boundaries (https://dcb.events/examples/): decisions over several
 * entities, each composed of small models that say what they depend on.
 *
 * <p>Begin with {@code Courses}; each stands alone.
 */
@NullMarked
package dev.cqrs.examples.dcb;

import org.jspecify.annotations.NullMarked;
