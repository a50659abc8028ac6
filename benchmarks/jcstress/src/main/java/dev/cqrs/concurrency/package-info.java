/** What threads see of each other, under the memory model of a real machine; each Twin has a planted defect that must be seen. */
@NullMarked
package dev.cqrs.concurrency;

import org.jspecify.annotations.NullMarked;
