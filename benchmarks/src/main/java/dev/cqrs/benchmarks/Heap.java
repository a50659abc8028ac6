package dev.cqrs.benchmarks;

/**
 * Options by which the kernel gives the memory of the heap before anything is measured, in few and large pieces.
 *
 * <p>Where the machine is a guest of another one, a page of 4 KiB that is touched for the first time may cost 20 µs, which
 * is a hundred times what the garbage collector takes to hand it out again: what allocates would be measured by that.
 */
final class Heap {

    static final String TOUCHED = "-XX:+AlwaysPreTouch";

    /** Without them to touch 4 GiB takes ten seconds on such a machine, with them two. */
    static final String IN_HUGE_PAGES = "-XX:+UseTransparentHugePages";

    private Heap() {}
}
