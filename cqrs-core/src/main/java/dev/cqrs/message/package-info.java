/**
 * What every message shares, whichever bus carries it: metadata, the unit result, the interceptor, the exceptions.
 *
 * <p>Every room may enter; this one looks at no other.
 */
@NullMarked
package dev.cqrs.message;

import org.jspecify.annotations.NullMarked;
