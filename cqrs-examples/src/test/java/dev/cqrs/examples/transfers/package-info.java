@NullMarked
package dev.cqrs.examples.transfers;

import org.jspecify.annotations.NullMarked;
