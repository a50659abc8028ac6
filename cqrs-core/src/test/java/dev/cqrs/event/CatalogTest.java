package dev.cqrs.event;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.message.CqrsException;
import dev.cqrs.message.WiringException;
import java.io.IOException;
import java.util.Collections;
import java.util.HashSet;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The names and tags of events. */
class CatalogTest {

    sealed interface AccountEvent {
        String account();
    }

    record Opened(String account, String owner) implements AccountEvent {}

    sealed interface Movement extends AccountEvent {}

    record Deposited(String account, int amount) implements Movement {}

    record Withdrawn(String account, int amount) implements Movement {}

    record Published(String title) {}

    abstract static class Unfinished {}

    static class Note {}

    static class LongNote extends Note {}

    static final Catalog BANK = Catalog.builder()
            .event("opened", Opened.class, e -> Set.of(Tag.of("owner", e.owner())))
            .event("deposited", Deposited.class)
            .event("withdrawn", Withdrawn.class)
            .event("published", Published.class)
            .tags(AccountEvent.class, e -> Set.of(Tag.of("account", e.account())))
            .build();

    @Test
    void names_and_classes_lead_to_each_other() {
        assertThat(BANK.nameOf(Opened.class)).isEqualTo("opened");
        assertThat(BANK.nameOf(Published.class)).isEqualTo("published");
        assertThat(BANK.typeOf("opened")).isEqualTo(Opened.class);
        assertThat(BANK.typeOf("published")).isEqualTo(Published.class);
    }

    @Test
    void the_types_are_the_registered_classes() {
        assertThat(BANK.types())
                .containsExactlyInAnyOrder(Opened.class, Deposited.class, Withdrawn.class, Published.class);
        assertThatThrownBy(() -> BANK.types().clear()).isInstanceOf(UnsupportedOperationException.class);
        assertThat(Catalog.builder().build().types()).isEmpty();
    }

    @Test
    void an_unknown_class_is_refused_naming_it_and_what_is_known() {
        assertThatExceptionOfType(UnknownEventException.class)
                .isThrownBy(() -> BANK.nameOf(Note.class))
                .withMessageContainingAll(
                        "does not know the event type " + Note.class.getName(),
                        "[deposited, opened, published, withdrawn]",
                        "Catalog.builder().event(")
                .isInstanceOf(CqrsException.class)
                .satisfies(e -> assertThat(e.type()).isEqualTo(Note.class.getName()));
    }

    /** As an application does that loads a plug-in with its own copy of the events. */
    private static final class Copying extends ClassLoader {
        Copying() {
            super(CatalogTest.class.getClassLoader());
        }

        Class<?> copy(Class<?> type) throws IOException {
            try (var bytes = Objects.requireNonNull(
                    type.getResourceAsStream("/" + type.getName().replace('.', '/') + ".class"))) {
                var all = bytes.readAllBytes();
                return defineClass(type.getName(), all, 0, all.length);
            }
        }
    }

    @Test
    void a_class_of_a_known_name_that_another_loader_has_loaded_is_refused_naming_both_loaders() throws IOException {
        var other = new Copying().copy(Published.class);

        assertThatThrownBy(() -> BANK.nameOf(other))
                .isInstanceOf(UnknownEventException.class)
                .hasMessageContainingAll(
                        Published.class.getName(),
                        "Copying",
                        Published.class.getClassLoader().toString());
        assertThatThrownBy(() -> BANK.typesBelow(other)).hasMessageContaining("Copying");
    }

    enum Plain {
        ONE,
        TWO
    }

    enum WithBody {
        ONE,
        TWO {
            @Override
            public String toString() {
                return "two";
            }
        }
    }

    @Test
    void an_enum_is_an_event_unless_a_constant_has_a_body_and_so_a_class_of_its_own() {
        var plain = Catalog.builder().event("plain", Plain.class).build();
        assertThat(plain.tagsOf(Plain.TWO)).isEmpty();

        assertThatThrownBy(() -> Catalog.builder().event("body", WithBody.class).build())
                .hasMessageContainingAll(WithBody.class.getName(), "enum", "body");
    }

    @Test
    void an_unknown_name_is_refused_naming_it_and_what_is_known() {
        assertThatExceptionOfType(UnknownEventException.class)
                .isThrownBy(() -> BANK.typeOf("Opened"))
                .withMessageContainingAll(
                        "event type Opened;", "[deposited, opened, published, withdrawn]", "Catalog.builder().event(")
                .satisfies(e -> assertThat(e.type()).isEqualTo("Opened"));
    }

    @Test
    void an_empty_catalog_says_that_it_knows_none() {
        var empty = Catalog.builder().build();

        assertThatExceptionOfType(UnknownEventException.class)
                .isThrownBy(() -> empty.typeOf("opened"))
                .withMessageContaining("it knows none");
    }

    @Test
    void a_subclass_of_a_known_class_is_not_known() {
        var catalog = Catalog.builder().event("note", Note.class).build();

        assertThatExceptionOfType(UnknownEventException.class).isThrownBy(() -> catalog.nameOf(LongNote.class));
        assertThatExceptionOfType(UnknownEventException.class).isThrownBy(() -> catalog.tagsOf(new LongNote()));
    }

    @Test
    void the_tags_of_an_event_are_those_of_its_class_and_of_all_its_roots() {
        var catalog = Catalog.builder()
                .tags(Object.class, e -> Set.of(Tag.of("any", "1")))
                .event("deposited", Deposited.class, e -> Set.of(Tag.of("amount", "" + e.amount())))
                .tags(AccountEvent.class, e -> Set.of(Tag.of("account", e.account())))
                .tags(
                        AccountEvent.class,
                        e -> Set.of(Tag.of("first", e.account().substring(0, 1))))
                .tags(Movement.class, e -> Set.of(Tag.of("account", e.account()), Tag.of("kind", "movement")))
                .build();

        assertThat(catalog.tagsOf(new Deposited("47", 5)))
                .containsExactlyInAnyOrder(
                        Tag.of("any", "1"),
                        Tag.of("amount", "5"),
                        Tag.of("account", "47"),
                        Tag.of("first", "4"),
                        Tag.of("kind", "movement"));
    }

    @Test
    void tags_of_a_root_reach_events_registered_before_and_after_and_no_others() {
        var catalog = Catalog.builder()
                .event("deposited", Deposited.class)
                .tags(Movement.class, e -> Set.of(Tag.of("account", e.account())))
                .event("withdrawn", Withdrawn.class)
                .event("opened", Opened.class)
                .build();

        assertThat(catalog.tagsOf(new Deposited("47", 5))).containsExactly(Tag.of("account", "47"));
        assertThat(catalog.tagsOf(new Withdrawn("48", 5))).containsExactly(Tag.of("account", "48"));
        assertThat(catalog.tagsOf(new Opened("49", "Ada"))).isEmpty();
    }

    @Test
    void the_tags_are_those_of_the_event_at_hand() {
        assertThat(BANK.tagsOf(new Opened("47", "Ada")))
                .containsExactlyInAnyOrder(Tag.of("owner", "Ada"), Tag.of("account", "47"));
        assertThat(BANK.tagsOf(new Opened("48", "Bob")))
                .containsExactlyInAnyOrder(Tag.of("owner", "Bob"), Tag.of("account", "48"));
        assertThat(BANK.tagsOf(new Published("News"))).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void the_tags_are_a_copy_that_cannot_be_changed(int functions) {
        var kept = new HashSet<>(Set.of(Tag.of("title", "News")));
        var builder = Catalog.builder().event("published", Published.class);
        for (int i = 0; i < functions; i++) {
            builder.tags(Published.class, e -> kept);
        }
        var tags = builder.build().tagsOf(new Published("News"));

        kept.clear();

        assertThat(tags).containsExactly(Tag.of("title", "News"));
        assertThatThrownBy(tags::clear).isInstanceOf(UnsupportedOperationException.class);
    }

    @Test
    void the_tags_of_an_unknown_event_are_refused() {
        assertThatExceptionOfType(UnknownEventException.class)
                .isThrownBy(() -> BANK.tagsOf(new Note()))
                .withMessageContainingAll(Note.class.getName(), "opened");
    }

    @Test
    @SuppressWarnings("NullAway")
    void a_tags_function_that_returns_null_is_refused_naming_the_event_and_the_cure() {
        var one =
                Catalog.builder().event("published", Published.class, e -> null).build();
        var two = Catalog.builder()
                .event("published", Published.class, e -> Set.of(Tag.of("title", e.title())))
                .tags(Object.class, e -> null)
                .build();

        for (var catalog : new Catalog[] {one, two}) {
            assertThatNullPointerException()
                    .isThrownBy(() -> catalog.tagsOf(new Published("News")))
                    .withMessageContainingAll(
                            Published.class.getName(), "returned null", "expected a set", "Return Set.of()");
        }
    }

    @Test
    @SuppressWarnings("NullAway")
    void a_null_tag_is_refused() {
        var one = Catalog.builder()
                .event("published", Published.class, e -> Collections.singleton((Tag) null))
                .build();
        var two = Catalog.builder()
                .event("published", Published.class, e -> Collections.singleton((Tag) null))
                .tags(Object.class, e -> Set.of())
                .build();

        assertThatNullPointerException().isThrownBy(() -> one.tagsOf(new Published("News")));
        assertThatNullPointerException().isThrownBy(() -> two.tagsOf(new Published("News")));
    }

    @Test
    void what_a_tags_function_throws_reaches_the_caller_unchanged() {
        var boom = new IllegalStateException("boom");
        var catalog = Catalog.builder()
                .event("published", Published.class, e -> {
                    throw boom;
                })
                .build();

        assertThatThrownBy(() -> catalog.tagsOf(new Published("News"))).isSameAs(boom);
    }

    @Test
    void the_types_below_a_root_are_the_known_classes_below_it() {
        assertThat(BANK.typesBelow(AccountEvent.class))
                .containsExactlyInAnyOrder(Opened.class, Deposited.class, Withdrawn.class);
        assertThat(BANK.typesBelow(Movement.class)).containsExactlyInAnyOrder(Deposited.class, Withdrawn.class);
        assertThat(BANK.typesBelow(Object.class)).containsExactlyInAnyOrderElementsOf(BANK.types());
        assertThatThrownBy(() -> BANK.typesBelow(Movement.class).clear())
                .isInstanceOf(UnsupportedOperationException.class);
    }

    static class Remark {}

    static class LongRemark extends Remark {}

    @Test
    void an_event_class_with_another_below_it_stands_for_both() {
        var catalog = Catalog.builder()
                .event("remark", Remark.class)
                .event("long-remark", LongRemark.class)
                .build();

        assertThat(catalog.typesBelow(Remark.class)).containsExactlyInAnyOrder(Remark.class, LongRemark.class);
        assertThat(catalog.typesBelow(LongRemark.class)).containsExactly(LongRemark.class);
    }

    @Test
    @SuppressWarnings("NullAway")
    void a_refused_registration_registers_nothing() {
        var builder = Catalog.builder();
        assertThatNullPointerException().isThrownBy(() -> builder.event("remark", Remark.class, null));

        assertThat(builder.build().types()).isEmpty();
    }

    @Test
    void the_type_below_an_event_class_is_itself() {
        assertThat(BANK.typesBelow(Deposited.class)).containsExactly(Deposited.class);
    }

    @Test
    void a_type_with_no_known_class_below_is_refused_naming_it_and_what_is_known() {
        for (var type : new Class<?>[] {Note.class, Runnable.class}) {
            assertThatExceptionOfType(UnknownEventException.class)
                    .isThrownBy(() -> BANK.typesBelow(type))
                    .withMessageContainingAll(type.getName(), "[deposited, opened, published, withdrawn]");
        }
    }

    @Test
    void every_fault_is_listed_at_once_in_the_order_of_the_calls() {
        var builder = Catalog.builder()
                .event(" \t", Opened.class)
                .event("movement", Movement.class)
                .event("unfinished", Unfinished.class)
                .event("moved", Deposited.class)
                .event("moved", Withdrawn.class)
                .event("note", Note.class)
                .event("remark", Note.class)
                .tags(Runnable.class, e -> Set.of());

        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(builder::build)
                .withMessageStartingWith("Catalog: 6 faults")
                .satisfies(e -> assertThat(e.faults())
                        .satisfiesExactly(
                                f -> assertThat(f).contains(Opened.class.getName(), "blank", "expected", "such as"),
                                f -> assertThat(f)
                                        .contains(Movement.class.getName(), "not a concrete class", "Register"),
                                f -> assertThat(f)
                                        .contains(Unfinished.class.getName(), "not a concrete class", "Register"),
                                f -> assertThat(f)
                                        .contains(
                                                "\"moved\"",
                                                Deposited.class.getName(),
                                                Withdrawn.class.getName(),
                                                "a name of its own"),
                                f -> assertThat(f).contains(Note.class.getName(), "\"note\"", "\"remark\"", "Keep one"),
                                f -> assertThat(f).contains(Runnable.class.getName(), "meets no event", "event(")))
                .satisfies(e -> assertThat(e.getMessage()).contains(e.faults()));
    }

    @Test
    void a_builder_with_faults_tells_them_again_and_gives_no_catalog() {
        var builder = Catalog.builder().event("", Opened.class);

        for (int i = 0; i < 2; i++) {
            assertThatExceptionOfType(WiringException.class)
                    .isThrownBy(builder::build)
                    .satisfies(e -> assertThat(e.faults()).hasSize(1));
        }
    }

    @Test
    void an_event_registered_twice_under_one_name_is_one_fault() {
        var builder = Catalog.builder().event("note", Note.class).event("note", Note.class);

        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(builder::build)
                .satisfies(
                        e -> assertThat(e.faults()).singleElement().asString().contains("registered twice"));
    }

    @Test
    void an_event_may_come_with_revision_and_tags_at_once() {
        var catalog = Catalog.builder()
                .upcast(Upcaster.from("deposited", 1))
                .event("deposited", 2, Deposited.class, e -> Set.of(Tag.of("account", e.account())))
                .build();

        assertThat(catalog.tagsOf(new Deposited("47", 5))).containsExactly(Tag.of("account", "47"));
        assertThat(catalog.nameOf(Deposited.class)).isEqualTo("deposited");
    }

    @Test
    void primitive_types_are_not_events() {
        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(() -> Catalog.builder().event("number", int.class).build())
                .withMessageContaining("not a concrete class");
    }

    @Test
    void tags_for_a_class_below_a_registered_one_meet_no_event() {
        var builder = Catalog.builder().event("note", Note.class).tags(LongNote.class, e -> Set.of());

        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(builder::build)
                .withMessageContainingAll("1 fault", LongNote.class.getName());
    }

    @Test
    void a_catalog_does_not_change_when_its_builder_goes_on() {
        var builder = Catalog.builder().event("note", Note.class);
        var before = builder.build();

        var after = builder.event("published", Published.class)
                .tags(Object.class, e -> Set.of(Tag.of("any", "1")))
                .build();

        assertThat(before.types()).containsExactly(Note.class);
        assertThat(before.tagsOf(new Note())).isEmpty();
        assertThat(after.types()).containsExactlyInAnyOrder(Note.class, Published.class);
        assertThat(after.tagsOf(new Note())).containsExactly(Tag.of("any", "1"));
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused_by_the_builder_at_once_naming_the_argument() {
        var builder = Catalog.builder();

        assertThatNullPointerException()
                .isThrownBy(() -> builder.event(null, Note.class))
                .withMessage("name");
        assertThatNullPointerException()
                .isThrownBy(() -> builder.event("note", null))
                .withMessage("type");
        assertThatNullPointerException()
                .isThrownBy(() -> builder.tags(Note.class, null))
                .withMessage("tags");
        assertThatNullPointerException()
                .isThrownBy(() -> builder.tags(null, e -> Set.of()))
                .withMessage("root");
        assertThat(builder.build().types()).isEmpty();
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused_by_the_catalog() {
        assertThatNullPointerException().isThrownBy(() -> BANK.nameOf(null));
        assertThatNullPointerException().isThrownBy(() -> BANK.typeOf(null)).withMessage("name");
        assertThatNullPointerException().isThrownBy(() -> BANK.typesBelow(null)).withMessage("type");
        assertThatNullPointerException().isThrownBy(() -> BANK.tagsOf(null));
    }
}
