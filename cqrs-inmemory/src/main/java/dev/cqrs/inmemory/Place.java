package dev.cqrs.inmemory;

import java.util.Set;

/** Where the user called a builder: a throwable, the cheapest way to remember a line that is hardly ever asked for. */
final class Place {

    /** The classes whose lines are not where the user registered something. */
    private static final Set<String> OWN = Set.of(
            Place.class.getName(),
            Registry.class.getName(),
            Registry.Ordered.class.getName(),
            Resolved.class.getName(),
            InMemoryCommandBus.Builder.class.getName(),
            InMemoryQueryBus.Builder.class.getName(),
            InMemoryEventBus.Builder.class.getName(),
            InMemoryCqrs.Builder.class.getName());

    private final Throwable trace = new Throwable();

    private Place() {}

    static Place here() {
        return new Place();
    }

    @Override
    public String toString() {
        for (var frame : trace.getStackTrace()) {
            if (!OWN.contains(frame.getClassName())) {
                return frame.getClassName() + "." + frame.getMethodName() + "(" + frame.getFileName() + ":"
                        + frame.getLineNumber() + ")";
            }
        }
        return "an unknown place";
    }
}
