package dev.cqrs.examples.dcb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.testing.VirtualClock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** What each example allows and refuses, in one thread. */
class RulesTest {

    private final VirtualClock clock = new VirtualClock(Instant.parse("2026-01-01T00:00:00Z"));

    private InMemoryCqrs over(Catalog catalog, Function<InMemoryEventStore, InMemoryCqrs> example) {
        return example.apply(new InMemoryEventStore(catalog, clock));
    }

    private static void assertRefused(InMemoryCqrs example, Command<?> command, String reason) {
        var before = example.store().head();
        assertThatThrownBy(() -> example.dispatch(command))
                .isInstanceOfSatisfying(
                        RejectedException.class,
                        refused -> assertThat(refused.reason()).isEqualTo(reason));
        assertThat(example.store().head()).isEqualTo(before);
    }

    @Nested
    class A_course {
        private final InMemoryCqrs courses = over(Courses.CATALOG, Courses::over);

        @Test
        void is_defined_once_and_needs_to_be() {
            courses.dispatch(new Courses.DefineCourse("logic", 1));

            assertRefused(courses, new Courses.DefineCourse("logic", 5), "there is such a course");
            assertRefused(courses, new Courses.Subscribe("s1", "latin"), "there is no such course");
            assertRefused(courses, new Courses.ChangeCapacity("latin", 5), "there is no such course");
            assertRefused(courses, new Courses.ChangeCapacity("logic", 1), "it has these seats");
        }

        @Test
        void has_no_more_students_than_seats() {
            courses.dispatch(new Courses.DefineCourse("logic", 1));
            courses.dispatch(new Courses.Subscribe("s1", "logic"));

            assertRefused(courses, new Courses.Subscribe("s2", "logic"), "the course is full");
            courses.dispatch(new Courses.ChangeCapacity("logic", 2));
            courses.dispatch(new Courses.Subscribe("s2", "logic"));
            assertRefused(courses, new Courses.Subscribe("s3", "logic"), "the course is full");
        }

        @Test
        void is_taken_once_by_a_student_who_takes_ten_at_most() {
            for (int i = 0; i <= Courses.COURSES_A_STUDENT; i++) {
                courses.dispatch(new Courses.DefineCourse("c" + i, 5));
            }
            courses.dispatch(new Courses.Subscribe("s1", "c0"));
            assertRefused(courses, new Courses.Subscribe("s1", "c0"), "the student takes this course already");
            for (int i = 1; i < Courses.COURSES_A_STUDENT; i++) {
                courses.dispatch(new Courses.Subscribe("s1", "c" + i));
            }

            assertRefused(courses, new Courses.Subscribe("s1", "c10"), "the student takes ten courses");
            courses.dispatch(new Courses.Subscribe("s2", "c10"));
        }
    }

    @Nested
    class A_username {
        private final InMemoryCqrs names = over(Usernames.CATALOG, Usernames::over);

        @Test
        void belongs_to_one_account() {
            names.dispatch(new Usernames.Register("a1", "ann", clock.instant()));

            assertRefused(names, new Usernames.Register("a2", "ann", clock.instant()), "the username is taken");
            assertRefused(
                    names, new Usernames.Register("a1", "bob", clock.instant()), "the account is registered already");
            assertRefused(names, new Usernames.ChangeUsername("a1", "ann", clock.instant()), "the username is taken");
            assertRefused(
                    names, new Usernames.ChangeUsername("a9", "zoe", clock.instant()), "there is no such account");
            assertRefused(names, new Usernames.CloseAccount("a9", clock.instant()), "there is no such account");
        }

        @Test
        void that_was_given_up_is_free_after_three_days() {
            names.dispatch(new Usernames.Register("a1", "ann", clock.instant()));
            names.dispatch(new Usernames.ChangeUsername("a1", "anna", clock.instant()));

            assertRefused(names, new Usernames.Register("a2", "ann", clock.instant()), "the username is taken");
            assertRefused(names, new Usernames.Register("a2", "ann", Instant.EPOCH), "the username is taken");
            clock.advance(Usernames.RETENTION.minusNanos(1));
            assertRefused(names, new Usernames.Register("a2", "ann", clock.instant()), "the username is taken");
            clock.advance(Duration.ofNanos(1));
            names.dispatch(new Usernames.Register("a2", "ann", clock.instant()));
            assertRefused(names, new Usernames.Register("a3", "anna", clock.instant()), "the username is taken");
        }

        @Test
        void of_a_closed_account_is_free_after_three_days_too() {
            names.dispatch(new Usernames.Register("a1", "ann", clock.instant()));
            names.dispatch(new Usernames.CloseAccount("a1", clock.instant()));

            assertRefused(names, new Usernames.Register("a1", "ann", clock.instant()), "the username is taken");
            clock.advance(Usernames.RETENTION);
            names.dispatch(new Usernames.Register("a1", "ann", clock.instant()));
        }
    }

    @Nested
    class An_invoice {
        private final InMemoryCqrs invoices = over(Invoices.CATALOG, Invoices::over);

        @Test
        void has_the_next_number_of_its_year() {
            assertThat(invoices.dispatch(new Invoices.CreateInvoice(2025, "c", 100)))
                    .isEqualTo(1);
            assertThat(invoices.dispatch(new Invoices.CreateInvoice(2026, "c", 100)))
                    .isEqualTo(1);
            assertThat(invoices.dispatch(new Invoices.CreateInvoice(2025, "c", 100)))
                    .isEqualTo(2);
        }

        @Test
        void is_made_once_by_a_command_that_is_sent_twice_under_one_id() {
            var once = Metadata.withId("form-1");
            invoices.dispatch(new Invoices.CreateInvoice(2025, "c", 100));

            assertThat(invoices.dispatch(new Invoices.CreateInvoice(2025, "c", 100), once))
                    .isEqualTo(2);
            assertThat(invoices.dispatch(new Invoices.CreateInvoice(2025, "c", 100), once))
                    .isEqualTo(2);
            assertThat(invoices.dispatch(new Invoices.CreateInvoice(2025, "c", 100)))
                    .isEqualTo(3);
        }

        @Test
        void that_is_refused_takes_no_number() {
            invoices.dispatch(new Invoices.CreateInvoice(2025, "c", 100));
            assertRefused(invoices, new Invoices.CreateInvoice(2025, "c", 0), "nothing to pay");
            assertThat(invoices.dispatch(new Invoices.CreateInvoice(2025, "c", 100)))
                    .isEqualTo(2);
        }
    }

    @Nested
    class A_token {
        private final InMemoryCqrs optIn = over(OptIn.CATALOG, OptIn::over);

        @Test
        void confirms_once() {
            optIn.dispatch(new OptIn.SignUp("a@b", "t1", clock.instant()));
            assertRefused(optIn, new OptIn.Confirm("a@b", "t2", clock.instant()), "there is no such token");
            assertRefused(optIn, new OptIn.Confirm("x@b", "t1", clock.instant()), "there is no such token");

            optIn.dispatch(new OptIn.Confirm("a@b", "t1", clock.instant()));

            assertRefused(optIn, new OptIn.Confirm("a@b", "t1", clock.instant()), "the token was used already");
            assertRefused(optIn, new OptIn.SignUp("a@b", "t3", clock.instant()), "the address is confirmed already");
        }

        @Test
        void is_not_confirmed_at_a_time_before_it_was_sent() {
            optIn.dispatch(new OptIn.SignUp("a@b", "t1", clock.instant()));

            assertRefused(
                    optIn,
                    new OptIn.Confirm("a@b", "t1", clock.instant().minusNanos(1)),
                    "the time is before that of the token");
        }

        @Test
        void expires_and_can_be_sent_anew() {
            optIn.dispatch(new OptIn.SignUp("a@b", "t1", clock.instant()));
            clock.advance(OptIn.VALID.plusNanos(1));
            assertRefused(optIn, new OptIn.Confirm("a@b", "t1", clock.instant()), "the token has expired");

            optIn.dispatch(new OptIn.SignUp("a@b", "t2", clock.instant()));
            clock.advance(OptIn.VALID);
            optIn.dispatch(new OptIn.Confirm("a@b", "t2", clock.instant()));
        }
    }

    @Nested
    class A_price {
        private final InMemoryCqrs shop = over(Shop.CATALOG, Shop::over);

        @Test
        void is_the_current_one_or_one_replaced_minutes_ago() {
            shop.dispatch(new Shop.SetPrice("pen", 100, clock.instant()));
            assertRefused(shop, new Shop.SetPrice("pen", 100, clock.instant()), "that is the price");
            assertRefused(shop, order("o1", new Shop.Line("pen", 90)), "the price of pen is not 90");
            shop.dispatch(order("o1", new Shop.Line("pen", 100)));

            shop.dispatch(new Shop.SetPrice("pen", 120, clock.instant()));
            clock.advance(Shop.GRACE.minusNanos(1));
            shop.dispatch(order("o2", new Shop.Line("pen", 100)));
            clock.advance(Duration.ofNanos(1));
            assertRefused(shop, order("o3", new Shop.Line("pen", 100)), "the price of pen is not 100");
            shop.dispatch(order("o3", new Shop.Line("pen", 120)));
        }

        @Test
        void of_earlier_is_not_had_by_an_order_that_says_an_earlier_time() {
            var before = clock.instant();
            shop.dispatch(new Shop.SetPrice("pen", 100, before));
            clock.advance(Duration.ofDays(1));
            shop.dispatch(new Shop.SetPrice("pen", 120, clock.instant()));
            clock.advance(Shop.GRACE);

            var early = "the time is before that of the price of pen";
            assertRefused(shop, new Shop.Order("o1", List.of(new Shop.Line("pen", 100)), before), early);
            assertRefused(shop, new Shop.SetPrice("pen", 110, before), early);
        }

        @Test
        void is_looked_at_for_each_product_of_an_order() {
            shop.dispatch(new Shop.SetPrice("pen", 100, clock.instant()));
            shop.dispatch(new Shop.SetPrice("ink", 500, clock.instant()));

            assertRefused(
                    shop,
                    order("o1", new Shop.Line("pen", 100), new Shop.Line("ink", 400)),
                    "the price of ink is not 400");
            assertRefused(shop, order("o1", new Shop.Line("cup", 1)), "the price of cup is not 1");
            shop.dispatch(order("o1", new Shop.Line("pen", 100), new Shop.Line("ink", 500)));
        }

        private Shop.Order order(String id, Shop.Line... lines) {
            return new Shop.Order(id, List.of(lines), clock.instant());
        }
    }

    @Nested
    class An_order_form {
        private final InMemoryCqrs orders = over(Orders.CATALOG, Orders::over);

        @Test
        void is_good_for_one_order() {
            orders.dispatch(new Orders.PlaceOrder("o1", "f1"));

            assertRefused(orders, new Orders.PlaceOrder("o2", "f1"), "the form was sent already");
            assertRefused(orders, new Orders.PlaceOrder("o1", "f2"), "there is such an order");
            orders.dispatch(new Orders.PlaceOrder("o2", "f2"));
            assertThat(orders.store().head()).isEqualTo(Position.of(2));
        }
    }
}
