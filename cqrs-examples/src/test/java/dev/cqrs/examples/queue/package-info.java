@NullMarked
package dev.cqrs.examples.queue;

import org.jspecify.annotations.NullMarked;
