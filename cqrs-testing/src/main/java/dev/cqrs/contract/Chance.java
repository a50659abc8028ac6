package dev.cqrs.contract;

import static dev.cqrs.contract.CampusEvent.course;
import static dev.cqrs.contract.CampusEvent.student;

import dev.cqrs.contract.CampusEvent.CourseClosed;
import dev.cqrs.contract.CampusEvent.CourseEvent;
import dev.cqrs.contract.CampusEvent.CourseOpened;
import dev.cqrs.contract.CampusEvent.Enrolment;
import dev.cqrs.contract.CampusEvent.Subscribed;
import dev.cqrs.contract.CampusEvent.TermBegan;
import dev.cqrs.contract.CampusEvent.Unsubscribed;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.ReadOptions;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** Draws events, queries, options and conditions: always the same ones for the same seed. */
final class Chance {

    /** The system property that replaces the fixed seeds by one. */
    static final String SEED = "dev.cqrs.contract.seed";

    private static final List<Class<?>> TYPES = List.of(
            TermBegan.class,
            CourseOpened.class,
            CourseClosed.class,
            Subscribed.class,
            Unsubscribed.class,
            Enrolment.class,
            CourseEvent.class,
            CampusEvent.class);

    private final SplittableRandom random;

    Chance(long seed) {
        random = new SplittableRandom(seed);
    }

    /** The seeds 1 to {@code count}, or the one that the system property gives. */
    static long[] seeds(int count) {
        var given = Long.getLong(SEED);
        return given == null ? LongStream.rangeClosed(1, count).toArray() : new long[] {given};
    }

    int upTo(int bound) {
        return random.nextInt(bound);
    }

    boolean oneIn(int number) {
        return random.nextInt(number) == 0;
    }

    Position position(long from, long to) {
        return Position.of(random.nextLong(from, to + 1));
    }

    List<CampusEvent> events(int most) {
        return Stream.generate(this::event).limit(1 + random.nextInt(most)).toList();
    }

    private CampusEvent event() {
        return switch (random.nextInt(10)) {
            case 0 -> new TermBegan(random.nextInt(3));
            case 1, 2 -> new CourseOpened(courseId(), random.nextInt(3));
            case 3 -> new CourseClosed(courseId());
            case 4, 5, 6 -> new Unsubscribed(courseId(), studentId());
            default -> new Subscribed(courseId(), studentId());
        };
    }

    EventQuery query() {
        if (oneIn(15)) {
            return EventQuery.all();
        }
        var items = new ArrayList<EventQuery.Item>();
        do {
            var types = new HashSet<Class<?>>(some(random.nextInt(3), () -> TYPES.get(random.nextInt(TYPES.size()))));
            var tags = new HashSet<Tag>(some(random.nextInt(3), this::tag));
            items.add(new EventQuery.Item(types, tags));
        } while (oneIn(3));
        return EventQuery.of(items);
    }

    ReadOptions options(Position head) {
        var options = oneIn(2) ? ReadOptions.forwards() : ReadOptions.backwards();
        var after = oneIn(2) ? Position.START : position(0, head.value() + 2);
        options = options.after(after);
        if (oneIn(3)) {
            options = options.until(position(after.value(), Math.max(after.value(), head.value()) + 2));
        }
        return oneIn(3) ? options.limit(random.nextInt(12)) : options;
    }

    /** Up to three clauses, most of them on positions near the head. */
    AppendCondition condition(Position head) {
        var condition = AppendCondition.none();
        for (int clauses = random.nextInt(4); clauses > 0; clauses--) {
            condition = condition.and(
                    oneIn(3)
                            ? AppendCondition.absent(
                                    EventQuery.types(Subscribed.class).withTags(course(courseId()), rareStudent()))
                            : AppendCondition.unchanged(
                                    query(), position(Math.max(0, head.value() - 4), head.value())));
        }
        return condition;
    }

    private Tag tag() {
        return oneIn(2) ? course(courseId()) : oneIn(10) ? rareStudent() : student(studentId());
    }

    private Tag rareStudent() {
        return student("s" + random.nextInt(40));
    }

    private String courseId() {
        return "c" + random.nextInt(4);
    }

    private String studentId() {
        return "s" + (oneIn(5) ? random.nextInt(40) : random.nextInt(4));
    }

    private static <T> List<T> some(int count, Supplier<T> source) {
        return Stream.generate(source).limit(count).toList();
    }
}
