/**
 * For tests: a kit for those of applications ({@link dev.cqrs.testing}), and contract suites for people who write a bus or
 * a store ({@link dev.cqrs.contract}).
 *
 * <p>It needs the core and, where a contract suite is extended, JUnit Jupiter.
 */
module dev.cqrs.testing {
    requires transitive dev.cqrs.core;
    requires static org.junit.jupiter.api;
    requires static org.jspecify;

    exports dev.cqrs.contract;
    exports dev.cqrs.testing;

    // JUnit calls the tests, and a store's serialiser makes the events, without their being public.
    opens dev.cqrs.contract;
}
