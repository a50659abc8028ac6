package dev.cqrs.suite;

import dev.cqrs.event.Fold;
import dev.cqrs.saga.ProcessManager;
import dev.cqrs.saga.Reaction;
import dev.cqrs.saga.Saga;
import dev.cqrs.suite.Branch.Draw;
import dev.cqrs.suite.Branch.Move;
import dev.cqrs.suite.Branch.Order;
import dev.cqrs.suite.Branch.Pay;
import dev.cqrs.testing.Simulation.InjectedException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;

/**
 * Loans: what sagas and process managers can do beyond a transfer. Money is set aside in a vault of the loan's own, papers
 * are written, the customer signs; from the payment on there is no way back.
 */
final class Loans {

    /** Asks for a loan; what befalls its commands is drawn in advance, as {@link Troubles} reads it. */
    record Borrow(String key, String account, int cents, boolean signs, boolean confirms, String befalls)
            implements Order {

        /** Who signs at once has signed before that is waited for. */
        List<Object> events() {
            var events = new ArrayList<Object>(List.of(new Borrowed(key, account, cents)));
            if (signs) {
                events.add(new Signed(key));
            }
            if (confirms) {
                events.add(new Confirmed(key));
            }
            return events;
        }
    }

    /** Writes a paper. */
    record Note(String key, String what) implements Order {

        @Override
        public String account() {
            return vault(key);
        }
    }

    /** The customer signs, once or more, early or late. */
    record Sign(String key) implements Order {

        @Override
        public String account() {
            return vault(key);
        }
    }

    /** The customer has the money. */
    record Confirm(String key) implements Order {

        @Override
        public String account() {
            return vault(key);
        }
    }

    record Borrowed(String key, String account, int cents) {}

    record Reserved(int sum) {}

    record Noted(String key, String what) {}

    record Signed(String key) {}

    record Confirmed(String key) {}

    /** What the handler throws when it has done nothing. */
    static final class Failed extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /** What the handler throws when it may have done it or not. */
    static final class Unclear extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /** Which versions of the loan each of the two engines has, and whether they save what they know. */
    record Release(List<Integer> one, List<Integer> two, boolean saves) {

        private static final List<Integer> BOTH = List.of(1, 2);
        private static final List<Integer> OLD = List.of(1);
        private static final List<Integer> NEW = List.of(2);

        static Release first(boolean saves) {
            return new Release(OLD, OLD, saves);
        }

        static Release any(RandomGenerator random) {
            boolean saves = random.nextBoolean();
            return switch (random.nextInt(7)) {
                case 0 -> first(saves);
                case 1 -> new Release(BOTH, OLD, saves);
                case 2 -> new Release(OLD, BOTH, saves);
                case 3 -> new Release(BOTH, BOTH, saves);
                case 4 -> new Release(BOTH, NEW, saves);
                case 5 -> new Release(NEW, OLD, saves);
                default -> new Release(NEW, NEW, saves);
            };
        }

        boolean has(int version) {
            return one.contains(version) || two.contains(version);
        }

        /** Whether a loan of the first version may go on under the second. */
        boolean mixes() {
            return !one.contains(1) || !two.contains(1);
        }
    }

    /** A command of a loan or reminder: which step it is of, with a minus in front if it undoes that. */
    record Name(String saga, String key, String step) {

        static Name of(String id) {
            var parts = id.split("/", -1);
            return new Name(parts[0], parts[1], (parts[3].startsWith("undo") ? "-" : "") + parts[2]);
        }

        static boolean isOne(String id) {
            return id.startsWith("loan/") || id.startsWith("reminder/");
        }

        String instance() {
            return saga + "/" + key;
        }
    }

    /**
     * What befalls the commands of loans each time they are dispatched; outlives a crash, as what is outside does.
     *
     * <p>{@code f} fails, and nothing is done. {@code n} is not done and {@code u} is done, but nobody knows; {@code i} is
     * done, and the thread interrupted, so that nobody is told. {@code r} is refused, now or, as {@code R}, for ever: nothing
     * of it was done before. With a dot nothing befalls it.
     */
    static final class Troubles {

        private static final String[] STEPS = {
            "reserve",
            "check",
            "rate",
            "enter",
            "score",
            "pay",
            "tell",
            "file",
            "thank",
            "-reserve",
            "-check",
            "-rate",
            "1",
            "2"
        };
        private static final String[] KINDS = {
            "f", "ff", "ffff", "u", "uu", "uuuuu", "uuuuuu", "n", "nnnn", "fu", "uf", "nf", "r", "rf", "ru", "R", "fR",
            "if", "iff", "i.f", ".f", ".n"
        };

        private final Map<String, String> left = new HashMap<>();
        private int handling;

        static String draw(RandomGenerator random) {
            var text = new StringBuilder();
            int often = new int[] {0, 0, 1, 3}[random.nextInt(4)];
            for (var step : STEPS) {
                if (random.nextInt(10) < (step.length() == 1 ? often + 2 : often)) { // reminders are few
                    text.append(step)
                            .append(' ')
                            .append(KINDS[random.nextInt(KINDS.length)])
                            .append(' ');
                }
            }
            return text.toString();
        }

        void of(Borrow loan) {
            var words = loan.befalls().split(" ", -1);
            for (int i = 0; i + 1 < words.length; i += 2) {
                left.putIfAbsent(loan.key() + "/" + words[i], words[i + 1]);
            }
        }

        /** Whether a handler is at a command, be it of a process that is gone. */
        boolean isHandling() {
            return handling > 0;
        }

        /** Counts who is at a command. */
        void handles(int more) {
            handling += more;
        }

        char next(String id) {
            if (!Name.isOne(id)) {
                return ' ';
            }
            var name = Name.of(id);
            var place = name.key() + "/" + name.step();
            var kinds = left.getOrDefault(place, "");
            if (kinds.isEmpty()) {
                return ' ';
            }
            if (kinds.charAt(0) != 'R') {
                left.put(place, kinds.substring(1));
            }
            return kinds.charAt(0);
        }

        static void before(char kind) {
            if (kind == 'f') {
                throw new Failed();
            }
            if (kind == 'n') {
                throw new Unclear();
            }
        }

        static boolean refuses(char kind) {
            return kind == 'r' || kind == 'R';
        }

        static void after(char kind) {
            if (kind == 'i') {
                Thread.currentThread().interrupt(); // as by an executor that is shut down
            }
            if (kind == 'u' || kind == 'i') {
                throw new Unclear();
            }
        }
    }

    /** How long the customer has to sign, and how soon he is reminded. */
    static final Duration TO_SIGN = Duration.ofMinutes(3);

    static final Duration TO_REMIND = Duration.ofMinutes(2);

    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final Duration MINUTE = Duration.ofMinutes(1);
    private static final Fold<Borrowed> STATE =
            Fold.from(new Borrowed("", "", 0)).on(Borrowed.class, (none, asked) -> asked);

    /** Greets the customer some time after he has signed; reminds him before, and then closes the file. */
    static final ProcessManager<Borrowed> REMINDER = ProcessManager.named("reminder", STATE)
            .retry(SECOND, SECOND)
            .unsure(InjectedException.class, Unclear.class)
            .startedBy(Borrowed.class, Borrowed::key, (loan, e) -> List.of(Reaction.startTimer("remind", TO_REMIND)))
            .onTimer(
                    "remind",
                    loan -> List.of(
                            Reaction.send(new Note(loan.key(), "remind")), Reaction.startTimer("close", MINUTE)))
            .onTimer("close", loan -> List.of(Reaction.send(new Note(loan.key(), "close")), Reaction.end()))
            .on(
                    Signed.class,
                    Signed::key,
                    (loan, e) -> List.of(
                            Reaction.stopTimer("remind"),
                            Reaction.stopTimer("close"),
                            Reaction.startTimer("greet", TO_REMIND)))
            .onTimer("greet", loan -> List.of(Reaction.send(new Note(loan.key(), "greet")), Reaction.end()))
            .build();

    private static final List<Saga<Borrowed>> VERSIONS = List.of(version(1), version(2));

    private Loans() {}

    static Saga<Borrowed> loan(int version) {
        return VERSIONS.get(version - 1);
    }

    /**
     * The second version has one step in the place of another, one after the other what the first does at once, and one more at
     * the end.
     */
    private static Saga<Borrowed> version(int version) {
        var loan = Saga.named("loan", STATE)
                .version(version)
                .startedBy(Borrowed.class, Borrowed::key)
                .within(Duration.ofMinutes(7))
                .retry(SECOND, SECOND.multipliedBy(20))
                .unsure(InjectedException.class, Unclear.class)
                .step("reserve", l -> new Pay(vault(l.key()), l.cents()), (l, sum) -> new Reserved(sum))
                .compensate(l -> new Draw(vault(l.key()), l.cents()));
        if (version == 1) {
            loan.parallel(papers -> noted(noted(paper(papers, "check"), "enter"), "score"));
        } else {
            noted(paper(noted(loan, "enter"), "rate"), "score");
        }
        loan.await("signed", Signed.class, Signed::key)
                .timeout(TO_SIGN)
                .pivot("pay", l -> new Move(vault(l.key()), l.account(), l.cents()))
                .step("tell", l -> new Note(l.key(), "tell"))
                .timeout(MINUTE)
                .await("confirmed", Confirmed.class, Confirmed::key)
                .timeout(TO_SIGN)
                .step("file", l -> new Note(l.key(), "file"));
        return (version == 1 ? loan : loan.step("thank", l -> new Note(l.key(), "thank"))).build();
    }

    private static Saga.Builder<Borrowed> noted(Saga.Builder<Borrowed> loan, String step) {
        return loan.step(step, l -> new Note(l.key(), step));
    }

    private static Saga.Builder<Borrowed> paper(Saga.Builder<Borrowed> loan, String step) {
        return noted(loan, step).compensate(l -> new Note(l.key(), "-" + step)).timeout(MINUTE);
    }

    static String vault(String key) {
        return "vault-" + key;
    }
}
