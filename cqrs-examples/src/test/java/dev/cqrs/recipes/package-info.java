/** What the guide to interceptors shows how to attach, with the real libraries: held to what they see. */
@NullMarked
package dev.cqrs.recipes;

import org.jspecify.annotations.NullMarked;
