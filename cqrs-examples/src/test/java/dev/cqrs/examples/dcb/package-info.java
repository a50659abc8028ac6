/** The rules of the examples, and that sixteen threads do not break them. */
@NullMarked
package dev.cqrs.examples.dcb;

import org.jspecify.annotations.NullMarked;
