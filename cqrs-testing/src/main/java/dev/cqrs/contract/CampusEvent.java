package dev.cqrs.contract;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Tag;
import java.util.Set;

/** The events the store suite appends: courses with few seats, and students who want them. */
sealed interface CampusEvent {

    /** What the stores under test may hold: all but {@link CourseRenamed}. */
    Catalog CATALOG = Catalog.builder()
            .event("term-began", TermBegan.class)
            .event("course-opened", CourseOpened.class)
            .event("course-closed", CourseClosed.class)
            .event("student-subscribed", Subscribed.class)
            .event("student-unsubscribed", Unsubscribed.class)
            .tags(CourseEvent.class, event -> Set.of(course(event.course())))
            .tags(Enrolment.class, event -> Set.of(student(event.student())))
            .build();

    /** An event without tags. */
    record TermBegan(int year) implements CampusEvent {}

    /** An event tagged with a course. */
    sealed interface CourseEvent extends CampusEvent {
        String course();
    }

    record CourseOpened(String course, int seats) implements CourseEvent {}

    record CourseClosed(String course) implements CourseEvent {}

    /** An event of the family that the catalog does not know. */
    record CourseRenamed(String course, String title) implements CourseEvent {}

    /** An event tagged with a course and a student. */
    sealed interface Enrolment extends CourseEvent {
        String student();
    }

    record Subscribed(String course, String student) implements Enrolment {}

    record Unsubscribed(String course, String student) implements Enrolment {}

    static Tag course(String id) {
        return Tag.of("course", id);
    }

    static Tag student(String id) {
        return Tag.of("student", id);
    }
}
