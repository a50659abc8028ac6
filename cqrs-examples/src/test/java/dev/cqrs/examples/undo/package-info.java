@NullMarked
package dev.cqrs.examples.undo;

import org.jspecify.annotations.NullMarked;
