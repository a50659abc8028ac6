@NullMarked
package dev.cqrs.examples.schedule;

import org.jspecify.annotations.NullMarked;
