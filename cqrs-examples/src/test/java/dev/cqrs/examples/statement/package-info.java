@NullMarked
package dev.cqrs.examples.statement;

import org.jspecify.annotations.NullMarked;
