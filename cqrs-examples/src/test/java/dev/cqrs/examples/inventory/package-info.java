@NullMarked
package dev.cqrs.examples.inventory;

import org.jspecify.annotations.NullMarked;
