package dev.cqrs.examples.statement;

import dev.cqrs.examples.statement.BankRecord.Transaction;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** A statement as HTML. */
final class StatementText {

    /** How many entries are shown, the last ones. */
    static final int ENTRIES = 50;

    private StatementText() {}

    /** An amount with its decimals and thousands apart. */
    static String money(long hellers) {
        return String.format(
                Locale.ROOT, "%s%,d.%02d", hellers < 0 ? "-" : "", Math.abs(hellers / 100), Math.abs(hellers % 100));
    }

    /** What a statement says; text out of the data is escaped. */
    static String html(Statement statement) {
        var html = new StringBuilder();
        var account = statement.account();
        html.append("<h2>Account ").append(escaped(account.id())).append("</h2><p>");
        html.append("Branch: ").append(escaped(statement.district().isEmpty() ? "unknown" : statement.district()));
        html.append(". Opened ").append(account.opened());
        html.append(". Balance <strong>").append(money(statement.balance())).append("</strong>.</p>");
        list(
                html,
                "Who may use it",
                statement.holders(),
                holder -> "client " + holder.client().id() + ", born "
                        + holder.client().born() + ", " + holder.role().name().toLowerCase(Locale.ROOT) + ", "
                        + holder.district()
                        + (holder.cards().isEmpty()
                                ? ""
                                : ", cards: "
                                        + String.join(
                                                ", ",
                                                holder.cards().stream()
                                                        .map(card -> card.type())
                                                        .toList())));
        list(
                html,
                "Standing orders",
                statement.orders(),
                order -> money(order.amount()) + " to " + order.toAccount() + " at " + order.toBank() + " "
                        + order.purpose());
        list(
                html,
                "Loans",
                statement.loans(),
                loan -> money(loan.amount()) + " granted " + loan.granted() + ", " + loan.months() + " months, status "
                        + loan.status());
        entries(html, statement.entries());
        return html.toString();
    }

    private static <T> void list(StringBuilder html, String title, List<T> some, Function<T, String> line) {
        if (some.isEmpty()) {
            return;
        }
        html.append("<h3>").append(title).append("</h3><ul>");
        some.forEach(one -> html.append("<li>").append(escaped(line.apply(one))).append("</li>"));
        html.append("</ul>");
    }

    private static void entries(StringBuilder html, List<Transaction> all) {
        var last = all.subList(Math.max(0, all.size() - ENTRIES), all.size());
        html.append("<h3>Entries</h3>");
        if (last.size() < all.size()) {
            html.append("<p>The last ")
                    .append(ENTRIES)
                    .append(" of ")
                    .append(all.size())
                    .append(".</p>");
        }
        html.append("<table><thead><tr><th scope=\"col\">Day</th><th scope=\"col\">For</th>"
                + "<th scope=\"col\">Amount</th></tr></thead><tbody>");
        for (int i = last.size() - 1; i >= 0; i--) {
            var entry = last.get(i);
            html.append("<tr><td>").append(entry.date()).append("</td><td>").append(escaped(entry.purpose()));
            html.append("</td><td class=\"money\">")
                    .append(money(entry.amount()))
                    .append("</td></tr>");
        }
        html.append("</tbody></table>");
    }

    /** Text that no browser takes for markup. */
    static String escaped(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;")
                .replace("'", "&#39;");
    }
}
