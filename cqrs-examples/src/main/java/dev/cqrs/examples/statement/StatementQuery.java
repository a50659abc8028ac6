package dev.cqrs.examples.statement;

import dev.cqrs.gather.Gathered;
import dev.cqrs.query.Query;
import java.util.List;
import java.util.Optional;

/** What may be asked about statements. */
sealed interface StatementQuery {

    /** Asks for a statement out of the view; empty if there is no such account. */
    record StatementOf(String account) implements StatementQuery, Query<Optional<Statement>> {}

    /** Asks for a statement out of the services themselves; fails if there is no such account. */
    record GatheredStatement(String account) implements StatementQuery, Query<Gathered<Statement>> {}

    /** Asks what is in an account, in hellers. */
    record BalanceOf(String account) implements StatementQuery, Query<Long> {}

    /** Asks for the numbers of all accounts. */
    record AccountNumbers() implements StatementQuery, Query<List<String>> {}
}
