/** Handlers that a container makes: recipes, run with the containers themselves. */
@NullMarked
package dev.cqrs.containers;

import org.jspecify.annotations.NullMarked;
