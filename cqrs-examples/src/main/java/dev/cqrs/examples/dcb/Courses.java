package dev.cqrs.examples.dcb;

import static dev.cqrs.examples.dcb.Rules.never;

import dev.cqrs.command.Command;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.message.Done;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Students subscribe to courses: a course has seats, and a student takes ten courses at most.
 *
 * <p>Two invariants over two kinds of entities in one decision (https://dcb.events/examples/course-subscriptions/).
 */
final class Courses {

    static final int COURSES_A_STUDENT = 10;

    record DefineCourse(String course, int capacity) implements Command<Done> {}

    record ChangeCapacity(String course, int capacity) implements Command<Done> {}

    record Subscribe(String student, String course) implements Command<Done> {}

    record CourseDefined(String course, int capacity) {}

    record CapacityChanged(String course, int capacity) {}

    record StudentSubscribed(String student, String course) {}

    static final Catalog CATALOG = Catalog.builder()
            .event("course-defined", CourseDefined.class, e -> Set.of(course(e.course())))
            .event("capacity-changed", CapacityChanged.class, e -> Set.of(course(e.course())))
            .event("student-subscribed", StudentSubscribed.class, e -> Set.of(student(e.student()), course(e.course())))
            .build();

    private Courses() {}

    static InMemoryCqrs over(EventStore store) {
        return InMemoryCqrs.builder(store)
                .decide(
                        DefineCourse.class,
                        c -> never(seats(c.course()), Optional::isPresent, "there is such a course"),
                        (c, objection) -> Rules.unless(objection, new CourseDefined(c.course(), c.capacity())))
                .decide(
                        ChangeCapacity.class,
                        c -> Rules.all(List.of(
                                never(seats(c.course()), Optional::isEmpty, "there is no such course"),
                                never(
                                        seats(c.course()),
                                        is -> is.equals(Optional.of(c.capacity())),
                                        "it has these seats"))),
                        (c, objection) -> Rules.unless(objection, new CapacityChanged(c.course(), c.capacity())))
                .decide(
                        Subscribe.class,
                        c -> Rules.all(List.of(
                                never(seats(c.course()), Optional::isEmpty, "there is no such course"),
                                never(left(c.course()), left -> left <= 0, "the course is full"),
                                never(attends(c), already -> already, "the student takes this course already"),
                                never(
                                        load(c.student()),
                                        n -> n >= COURSES_A_STUDENT,
                                        "the student takes ten courses"))),
                        (c, objection) -> Rules.unless(objection, new StudentSubscribed(c.student(), c.course())))
                .build();
    }

    private static DecisionModel<Optional<Integer>> seats(String course) {
        return DecisionModel.of(
                EventQuery.types(CourseDefined.class, CapacityChanged.class).withTags(course(course)),
                Fold.from(Optional.<Integer>empty())
                        .on(CourseDefined.class, (before, e) -> Optional.of(e.capacity()))
                        .on(CapacityChanged.class, (before, e) -> Optional.of(e.capacity())));
    }

    private static DecisionModel<Integer> left(String course) {
        return seats(course).and(subscriptions(course(course)), (seats, taken) -> seats.orElse(0) - taken);
    }

    private static DecisionModel<Integer> load(String student) {
        return subscriptions(student(student));
    }

    private static DecisionModel<Boolean> attends(Subscribe c) {
        return subscriptions(student(c.student()), course(c.course())).map(n -> n > 0);
    }

    private static DecisionModel<Integer> subscriptions(Tag tag, Tag... more) {
        return DecisionModel.of(
                EventQuery.types(StudentSubscribed.class).withTags(tag, more),
                Fold.from(0).on(StudentSubscribed.class, (n, e) -> n + 1));
    }

    private static Tag course(String id) {
        return Tag.of("course", id);
    }

    private static Tag student(String id) {
        return Tag.of("student", id);
    }
}
