package dev.cqrs.examples.statement;

import dev.cqrs.examples.statement.BankRecord.Account;
import dev.cqrs.examples.statement.BankRecord.Card;
import dev.cqrs.examples.statement.BankRecord.Client;
import dev.cqrs.examples.statement.BankRecord.Disposition;
import dev.cqrs.examples.statement.BankRecord.District;
import dev.cqrs.examples.statement.BankRecord.Loan;
import dev.cqrs.examples.statement.BankRecord.Role;
import dev.cqrs.examples.statement.BankRecord.Sex;
import dev.cqrs.examples.statement.BankRecord.StandingOrder;
import dev.cqrs.examples.statement.BankRecord.Transaction;
import dev.cqrs.examples.statement.Table.Reading;
import dev.cqrs.examples.statement.Table.Row;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;

/**
 * What the bank's eight files hold, in the PKDD'99 format. Rows that have an account which is in no file are read too.
 *
 * @param accounts of {@code account.asc}
 * @param clients of {@code client.asc}
 * @param dispositions of {@code disp.asc}
 * @param cards of {@code card.asc}
 * @param loans of {@code loan.asc}
 * @param orders of {@code order.asc}
 * @param districts of {@code district.asc}
 * @param transactions of {@code trans.asc}, in the order of the file
 */
public record BankFiles(
        List<Account> accounts,
        List<Client> clients,
        List<Disposition> dispositions,
        List<Card> cards,
        List<Loan> loans,
        List<StandingOrder> orders,
        List<District> districts,
        List<Transaction> transactions) {

    /** Gives a file's bytes by its name. */
    @FunctionalInterface
    private interface Place {
        InputStream open(String name) throws IOException;
    }

    /** Reads the files of a directory. */
    static BankFiles in(Path directory) throws UnusableDataException {
        return read(name -> Files.newInputStream(directory.resolve(name)));
    }

    /** Reads the small sample that comes with this program: invented, with what is odd in the real data. */
    static BankFiles sample() throws UnusableDataException {
        return read(name -> resource(BankFiles.class, name));
    }

    /**
     * Reads the standing orders of a directory, and nothing else.
     *
     * @throws UnusableDataException if they cannot be read
     */
    public static List<StandingOrder> ordersIn(Path directory) throws UnusableDataException {
        return orders(name -> Files.newInputStream(directory.resolve(name)));
    }

    /**
     * Reads the standing orders that come with a program.
     *
     * @param program a class beside which the file is
     * @throws UnusableDataException if they cannot be read
     */
    public static List<StandingOrder> ordersOf(Class<?> program) throws UnusableDataException {
        return orders(name -> resource(program, name));
    }

    private static List<StandingOrder> orders(Place place) throws UnusableDataException {
        return read(place, "order.asc", "order_id", BankFiles::order);
    }

    private static InputStream resource(Class<?> program, String name) throws FileNotFoundException {
        var found = program.getResourceAsStream(name);
        if (found == null) {
            throw new FileNotFoundException(name);
        }
        return found;
    }

    private static BankFiles read(Place place) throws UnusableDataException {
        return new BankFiles(
                read(place, "account.asc", "account_id", BankFiles::account),
                read(place, "client.asc", "client_id", BankFiles::client),
                read(place, "disp.asc", "disp_id", BankFiles::disposition),
                read(place, "card.asc", "card_id", BankFiles::card),
                read(place, "loan.asc", "loan_id", BankFiles::loan),
                orders(place),
                read(place, "district.asc", "A1", BankFiles::district),
                read(place, "trans.asc", "trans_id", BankFiles::transaction));
    }

    private static <T> List<T> read(Place place, String name, String key, Reading<T> reading)
            throws UnusableDataException {
        try (var in = place.open(name)) {
            return Table.read(name, in, key, reading);
        } catch (NoSuchFileException | FileNotFoundException missing) {
            throw new UnusableDataException(name, "no such file");
        } catch (IOException broken) {
            throw new UnusableDataException(name, "cannot be read: " + broken);
        }
    }

    private static Account account(Row row) throws UnusableDataException {
        return new Account(row.id("account_id"), row.id("district_id"), row.text("frequency"), row.date("date"));
    }

    private static Client client(Row row) throws UnusableDataException {
        return new Client(
                row.id("client_id"),
                row.birth("birth_number"),
                row.isFemale("birth_number") ? Sex.FEMALE : Sex.MALE,
                row.id("district_id"));
    }

    private static Disposition disposition(Row row) throws UnusableDataException {
        var type = row.text("type");
        var role = switch (type) {
            case "OWNER" -> Role.OWNER;
            case "DISPONENT" -> Role.DISPONENT;
            default -> throw row.fault("type", type, "OWNER or DISPONENT");
        };
        return new Disposition(row.id("disp_id"), row.id("client_id"), row.id("account_id"), role);
    }

    private static Card card(Row row) throws UnusableDataException {
        return new Card(row.id("card_id"), row.id("disp_id"), row.text("type"), row.date("issued"));
    }

    private static Loan loan(Row row) throws UnusableDataException {
        return new Loan(
                row.id("loan_id"),
                row.id("account_id"),
                row.date("date"),
                row.money("amount"),
                row.count("duration"),
                row.money("payments"),
                row.text("status"));
    }

    private static StandingOrder order(Row row) throws UnusableDataException {
        return new StandingOrder(
                row.id("order_id"),
                row.id("account_id"),
                row.text("bank_to"),
                row.text("account_to"),
                row.money("amount"),
                row.text("k_symbol"));
    }

    private static District district(Row row) throws UnusableDataException {
        return new District(row.id("A1"), row.text("A2"), row.text("A3"));
    }

    private static Transaction transaction(Row row) throws UnusableDataException {
        var type = row.text("type");
        var amount = row.money("amount");
        long signed = switch (type) {
            case "PRIJEM" -> amount;
            case "VYDAJ", "VYBER" -> -amount;
            default -> throw row.fault("type", type, "PRIJEM, VYDAJ or VYBER");
        };
        return new Transaction(
                row.id("trans_id"), row.id("account_id"), row.date("date"), signed, row.text("k_symbol"));
    }
}
