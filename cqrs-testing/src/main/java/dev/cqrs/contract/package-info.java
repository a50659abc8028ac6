/**
 * Contract suites: what every bus and every store must do, as tests that an implementation's own test class inherits.
 *
 * <p>Each suite is a class with one method to implement, which makes what is to be tested. A suite never skips a test,
 * and an implementation that does nothing fails each of them. Looks at all rooms of the core; test code of those who
 * write a bus or a store may enter.
 */
@NullMarked
package dev.cqrs.contract;

import org.jspecify.annotations.NullMarked;
