@NullMarked
package dev.cqrs.examples.bank;

import org.jspecify.annotations.NullMarked;
