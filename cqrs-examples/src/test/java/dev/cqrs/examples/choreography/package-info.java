@NullMarked
package dev.cqrs.examples.choreography;

import org.jspecify.annotations.NullMarked;
