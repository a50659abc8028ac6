/**
 * Contract suites for people who write a bus or a store: a test class that extends one of them tests an implementation.
 *
 * <p>It needs the core and, where a suite is extended, JUnit Jupiter.
 */
module dev.cqrs.testing {
    requires transitive dev.cqrs.core;
    requires static org.junit.jupiter.api;
    requires static org.jspecify;

    exports dev.cqrs.contract;

    // JUnit calls the tests, and a store's serialiser makes the events, without their being public.
    opens dev.cqrs.contract;
}
