package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/** Judges what {@link WritingProcess} has left behind, by reading SQL and nothing else. */
final class LogCheck {

    private final DataSource database;

    LogCheck(DataSource database) {
        this.database = database;
    }

    /**
     * Waits until the server has done with what killed processes have sent: a commit that is under way when its process is
     * killed still takes effect, as soon as the disk lets it, and is not to come between two reads of a check.
     */
    void awaitOthersGone() throws SQLException, InterruptedException {
        for (int looks = 0;
                ask("select count(*) from pg_stat_activity where application_name like 'test process %'"
                                + " and application_name <> '" + WritingProcess.ME + "'")
                        > 0;
                looks++) {
            assertThat(looks).isLessThan(12_000);
            TimeUnit.MILLISECONDS.sleep(10); // a backend that ends signals nobody
        }
    }

    /** What is to be nothing. */
    record Faults(int lost, int twice, int holes, int outOfOrder) {}

    Faults faults(WritingProcess.Acknowledged acknowledged) throws Exception {
        int lost = 0;
        for (int writer = 0; writer < WritingProcess.THREADS; writer++) {
            for (List<Integer> some : parts(acknowledged.all(writer))) {
                lost += some.size()
                        - ask("select count(distinct json ->> 'number') from cqrs_event where name = 'entered'"
                                + " and json ->> 'writer' = '" + writer + "' and (json ->> 'number')::int in ("
                                + String.join(
                                        ",", some.stream().map(String::valueOf).toList()) + ")");
            }
        }
        return new Faults(
                lost,
                ask("select coalesce(sum(n - 1), 0) from (select count(*) n from cqrs_event where name = 'entered'"
                                + " group by json ->> 'writer', json ->> 'number') e")
                        + ask("select coalesce(sum(n - 1), 0) from (select count(*) n from cqrs_event where name ="
                                + " 'cqrs.command-id' group by json ->> 'id') e"),
                ask("select coalesce(max(position), 0) - count(*) from cqrs_event")
                        + ask("select count(*) from cqrs_event e where not exists"
                                + " (select from cqrs_tag t where t.position = e.position)"),
                ask("select count(*) from (select (json ->> 'number')::int - lag((json ->> 'number')::int, 1, -1)"
                        + " over (partition by json ->> 'writer' order by position) step"
                        + " from cqrs_event where name = 'entered') e where step <> 1"));
    }

    /** Whether a view holds each event exactly once. */
    void checkView() throws SQLException {
        assertThat(ask("select coalesce(sum(n), 0) from entered_count"))
                .isEqualTo(ask("select count(*) from cqrs_event where name = 'entered'"));
        assertThat(ask("select count(*) from entered_count c where n <> (select count(*) from cqrs_event"
                        + " where name = 'entered' and json ->> 'writer' = c.writer::text)"))
                .isZero();
    }

    int ask(String sql) throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement();
                var rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getInt(1);
        }
    }

    private static List<List<Integer>> parts(List<Integer> numbers) {
        int size = 1_000;
        return java.util.stream.IntStream.range(0, (numbers.size() + size - 1) / size)
                .mapToObj(i -> numbers.subList(i * size, Math.min(numbers.size(), (i + 1) * size)))
                .toList();
    }
}
