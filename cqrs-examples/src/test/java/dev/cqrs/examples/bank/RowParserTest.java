package dev.cqrs.examples.bank;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.examples.bank.Row.Direction;
import dev.cqrs.examples.bank.Row.Malformed;
import dev.cqrs.examples.bank.Row.Transaction;
import java.math.BigDecimal;
import java.time.LocalDate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RowParserTest {

    private static final String GOOD = "7;576;930105;\"PRIJEM\";\"VKLAD\";700.00;1600.00;\"\";;";

    @Test
    void a_row_gives_its_number_account_day_direction_amount_and_stated_balance() {
        assertThat(RowParser.parse(2, GOOD))
                .isEqualTo(new Transaction(
                        2,
                        "7",
                        "576",
                        LocalDate.of(1993, 1, 5),
                        Direction.CREDIT,
                        new BigDecimal("700.00"),
                        new BigDecimal("1600.00")));
    }

    @ParameterizedTest
    @CsvSource({"PRIJEM,CREDIT", "VYDAJ,DEBIT", "VYBER,DEBIT"})
    void the_type_says_which_way_the_money_went(String type, Direction direction) {
        assertThat(good(GOOD.replace("PRIJEM", type)).direction()).isEqualTo(direction);
    }

    @ParameterizedTest
    @CsvSource({"0,0.00", "5,5.00", "5.5,5.50", "5.55,5.55", "007.10,7.10", "90071992547409.93,90071992547409.93"})
    void amounts_with_up_to_two_decimals_are_kept_exactly(String text, String amount) {
        assertThat(good(GOOD.replace("700.00", text)).amount()).isEqualTo(new BigDecimal(amount));
    }

    @Test
    void a_stated_balance_may_be_negative() {
        assertThat(good(GOOD.replace("1600.00", "-0.5")).stated()).isEqualTo(new BigDecimal("-0.50"));
    }

    @ParameterizedTest
    @CsvSource({"000101,1900-01-01", "921231,1992-12-31", "960229,1996-02-29", "991231,1999-12-31"})
    void a_two_digit_year_is_19yy(String text, LocalDate day) {
        assertThat(good(GOOD.replace("930105", text)).date()).isEqualTo(day);
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"A;B\"", "\"say \"\"so\"\"\"", "\"\"\"\"", "unquoted", "\"\u00fd\""})
    void text_may_hold_semicolons_doubled_quotation_marks_and_foreign_letters(String operation) {
        assertThat(RowParser.parse(2, GOOD.replace("\"VKLAD\"", operation))).isInstanceOf(Transaction.class);
    }

    @Test
    void quotation_marks_around_a_number_do_not_matter() {
        assertThat(RowParser.parse(2, GOOD.replace("700.00", "\"700.00\""))).isEqualTo(RowParser.parse(2, GOOD));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '\'',
            value = {
                "1|it has 1 column; expected 10",
                "7;576;930105;\"PRIJEM\";\"VKLAD\";700.00;1600.00;\"\";|it has 9 columns; expected 10",
                "7;576;930105;\"PRIJEM\";\"VKLAD\";700.00;1600.00;\"\";;;|it has 11 columns; expected 10",
                "7;576;930105;\"PRIJEM;\"VKLAD\";700.00;1600.00;\"\";;"
                        + "|column 4 goes on behind its closing quotation mark",
                "7;576;930105;PRI\"JEM;\"VKLAD\";700.00;1600.00;\"\";;"
                        + "|column 4 holds a quotation mark but does not begin with one",
                "7;576;930105;\"PRIJEM;VKLAD;700.00;1600.00;;;|a quotation mark is not closed",
                ";576;930105;PRIJEM;;700.00;1600.00;;;|trans_id is missing",
                "x;576;930105;PRIJEM;;700.00;1600.00;;;|trans_id \"x\" is no number; expected at most 18 digits",
                "7;;930105;PRIJEM;;700.00;1600.00;;;|account_id is missing",
                "7;5 6;930105;PRIJEM;;700.00;1600.00;;;|account_id \"5 6\" is no number; expected at most 18 digits",
                "7;-5;930105;PRIJEM;;700.00;1600.00;;;|account_id \"-5\" is no number; expected at most 18 digits",
                "7;1234567890123456789;930105;PRIJEM;;1;1;;;"
                        + "|account_id \"1234567890123456789\" is no number; expected at most 18 digits",
                "7;576;;PRIJEM;;700.00;1600.00;;;|date is missing",
                "7;576;930230;PRIJEM;;700.00;1600.00;;;|date \"930230\" is no day of the calendar; expected yyMMdd",
                "7;576;930229;PRIJEM;;700.00;1600.00;;;|date \"930229\" is no day of the calendar; expected yyMMdd",
                "7;576;931301;PRIJEM;;700.00;1600.00;;;|date \"931301\" is no day of the calendar; expected yyMMdd",
                "7;576;930100;PRIJEM;;700.00;1600.00;;;|date \"930100\" is no day of the calendar; expected yyMMdd",
                "7;576;19930105;PRIJEM;;700.00;1600.00;;;|date \"19930105\" is no date; expected yyMMdd",
                "7;576;93-1-5;PRIJEM;;700.00;1600.00;;;|date \"93-1-5\" is no date; expected yyMMdd",
                "7;576;930105;;;700.00;1600.00;;;|type is missing",
                "7;576;930105;prijem;;700.00;1600.00;;;"
                        + "|type \"prijem\" is unknown; expected PRIJEM, VYDAJ or VYBER",
                "7;576;930105;PRIJEM;;;1600.00;;;|amount is missing",
                "7;576;930105;PRIJEM;;12,50;1600.00;;;|amount \"12,50\" is no number; expected one such as 12.50",
                "7;576;930105;PRIJEM;;1e3;1600.00;;;|amount \"1e3\" is no number; expected one such as 12.50",
                "7;576;930105;PRIJEM;;.5;1600.00;;;|amount \".5\" is no number; expected one such as 12.50",
                "7;576;930105;PRIJEM;;5.;1600.00;;;|amount \"5.\" is no number; expected one such as 12.50",
                "7;576;930105;PRIJEM;;-;1600.00;;;|amount \"-\" is no number; expected one such as 12.50",
                "7;576;930105;PRIJEM;;1.2.3;1600.00;;;|amount \"1.2.3\" is no number; expected one such as 12.50",
                "7;576;930105;PRIJEM;; 5.00;1600.00;;;|amount \" 5.00\" is no number; expected one such as 12.50",
                "7;576;930105;PRIJEM;;1.234;1600.00;;;|amount \"1.234\" has more than two decimals",
                "7;576;930105;PRIJEM;;-5.00;1600.00;;;"
                        + "|amount \"-5.00\" is negative; expected zero or more, as the type says which way",
                "7;576;930105;PRIJEM;;700.00;;;;|balance is missing",
                "7;576;930105;PRIJEM;;700.00;NaN;;;|balance \"NaN\" is no number; expected one such as 12.50",
                "7;576;930105;PRIJEM;;700.00;1.005;;;|balance \"1.005\" has more than two decimals",
            })
    void a_malformed_row_gives_its_line_and_the_reason(String text, String reason) {
        assertThat(RowParser.parse(42, text)).isEqualTo(new Malformed(42, reason));
    }

    @Test
    void a_digit_of_another_script_is_no_digit() {
        assertThat(RowParser.parse(2, GOOD.replace("576", "\u0665"))).isInstanceOf(Malformed.class);
    }

    @Test
    void a_reason_shows_foreign_text_cut_and_without_control_characters() {
        var row = RowParser.parse(2, GOOD.replace("PRIJEM", "\u001b[2J" + "x".repeat(5_000)));

        assertThat(((Malformed) row).reason())
                .startsWith("type \"?[2Jxxx")
                .contains("...\" is unknown")
                .hasSizeLessThan(120);
    }

    @Test
    void the_header_is_known_with_and_without_quotation_marks() {
        assertThat(RowParser.isHeader("\"trans_id\";\"account_id\";\"date\";\"type\";\"operation\";\"amount\";"
                        + "\"balance\";\"k_symbol\";\"bank\";\"account\""))
                .isTrue();
        assertThat(RowParser.isHeader(String.join(";", RowParser.COLUMNS))).isTrue();
        assertThat(RowParser.isHeader(GOOD)).isFalse();
        assertThat(RowParser.isHeader("\"trans_id;")).isFalse();
        assertThat(RowParser.isHeader("")).isFalse();
    }

    private static Transaction good(String text) {
        var row = RowParser.parse(2, text);
        assertThat(row).isInstanceOf(Transaction.class);
        return (Transaction) row;
    }
}
