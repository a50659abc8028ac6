@NullMarked
package dev.cqrs.examples.privacy;

import org.jspecify.annotations.NullMarked;
