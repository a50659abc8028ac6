package dev.cqrs.contract;

import dev.cqrs.message.Metadata;

/** The nulls that the suites hand over to see them refused. */
final class Nulls {

    private Nulls() {}

    @SuppressWarnings("NullAway") // this is what it is for
    static <T> T nullOf(Class<T> type) {
        return null;
    }

    static Metadata noMetadata() {
        return nullOf(Metadata.class);
    }
}
