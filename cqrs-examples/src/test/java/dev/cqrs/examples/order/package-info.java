@NullMarked
package dev.cqrs.examples.order;

import org.jspecify.annotations.NullMarked;
