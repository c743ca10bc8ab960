"""Errors in price files: messages name the file, the line, the column, the value and a remedy."""

from pathlib import Path

import pytest

from seqkit.errors import SourceError
from seqkit.sources import read_prices

HEAD = "Date,Open,Close\n2021-05-13,1,10\n"


def refused(text: str | bytes, **options: object) -> str:
    Path("prices.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SourceError) as caught:
        read_prices("prices.csv", **options)  # type: ignore[arg-type]
    return str(caught.value)


class TestNotATable:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"Note": "Thank you for using"}', 'is JSON, not CSV: it starts with {"Note": "Thank you for'),
            ('[\n  {"error": 1}]', 'is JSON, not CSV: it starts with [ {"error": 1}]'),
            ("<!DOCTYPE html>\n<html><body>", "is HTML, not CSV: it starts with <!DOCTYPE html> <html>"),
            ("  <html lang=en>", "is HTML, not CSV"),
            (b"PK\x03\x04" + bytes(30), "is an Excel workbook, not CSV.\n  Save the sheet as CSV"),
            (b"Date,Close\n\0\0", "has NUL bytes: it is a binary file or damaged"),
            ("", "prices.csv is empty: it has no prices."),
            ("\ufeff \n", "prices.csv is empty"),
            ("Too many calls", "prices.csv is not a table: no line is divided by commas, semicolons"),
            ("Too many calls", "tabs or bars (|); it starts with 'Too many calls'."),
        ],
    )  # fmt: skip
    def test_what_it_is_instead(self, text: str | bytes, message: str) -> None:
        assert message in refused(text)

    def test_what_a_server_answered_is_shown_but_not_all_of_it(self) -> None:
        assert len(refused('{"Note": "' + "x" * 5000 + '"}')) < 300

    def test_no_file(self) -> None:
        with pytest.raises(SourceError, match=r"nowhere.csv cannot be read: No such file or directory."):
            read_prices("nowhere.csv")
        Path("folder").mkdir()
        with pytest.raises(SourceError, match="folder cannot be read: Is a directory"):
            read_prices("folder")


class TestHeader:
    def test_no_header(self) -> None:
        assert refused("2021-05-14,127.45\n2021-05-17,126.27\n") == (
            "prices.csv has no header: line 1 is already a row (2021-05-14,127.45).\n"
            "  Add a line with the names of the columns above it, such as Date,Open,High,Low,Close,Volume."
        )

    def test_too_few_names(self) -> None:
        assert refused("Date,Close\n2021-05-14,1,127.45\n2021-05-17,1,126.27\n") == (
            "prices.csv: line 1 has 2 names, but the rows below it have 3 cells.\n  Give each column a name."
        )

    def test_several_rows_that_name_nothing_known(self) -> None:
        message = refused("a,b,c\nd,e,f\n2021-05-14,1,2\n")
        assert (
            "the 2 lines before line 3 are the header, but it is not clear which of them has the names "
            "of the columns" in message
        )

    def test_no_price(self) -> None:
        assert refused("Datum,Wert\n2021-05-14,1\n") == (
            'prices.csv: no price column in [Datum, Wert]; pass price="Wert".'
        )
        assert refused("Date,Open,High,Foo\n2021-05-14,1,2,3\n").endswith(
            'in [Date, Open, High, Foo]; pass price="Foo", or another of [Foo, Open, High].'
        )
        assert "in [Date, Note]; none of them can be prices." in refused("Date,Note\n2021-05-14,x\n")

    @pytest.mark.parametrize(
        ("text", "listed", "choice"),
        [
            ("Datum;Avslut;Volym;Volume\n2021-05-14;1,5;7;7\n", "[Datum, Avslut, Volym, Volume]", "Avslut"),
            ("Päivä,Alin,Ylin,Loppu,Open\n2021-05-14,1,2,3,4\n", "[Päivä, Alin, Ylin, Loppu, Open]", "Alin"),
            ("DATE,AAA,BBB,CCC,VOLUME\n2021-05-14,1,2,3,4\n", "[DATE, AAA, BBB, CCC, VOLUME]", "AAA"),
            ("Date,Foo,Bar\n2021-05-14,0.5%,2\n2021-05-17,-1%,2\n", "[Date, Foo, Bar]", "Bar"),
        ],
    )
    def test_a_known_word_next_to_unknown_ones_is_not_a_wide_file(
        self, text: str, listed: str, choice: str
    ) -> None:
        message = refused(text)
        assert message.startswith(f'prices.csv: no price column in {listed}; pass price="{choice}"')

    def test_an_unknown_language_is_not_a_wide_file_either(self) -> None:
        rows = [(100 + i % 3, 102 + i, 97 - i, 101 - i % 2) for i in range(8)]
        text = "Dátum,Nyitó,Csúcs,Mély,Záró\n" + "".join(
            f"2021-05-{10 + i},{','.join(map(str, row))}\n" for i, row in enumerate(rows)
        )
        assert "no price column in [Dátum, Nyitó, Csúcs, Mély, Záró]" in refused(text)

    def test_a_column_of_changes_names_the_prices(self) -> None:
        text = "Date,Close,Change %\n2021-05-14,1,0.5%\n2021-05-17,2,-1%\n"
        assert refused(text, price="Change %") == (
            "prices.csv: column 'Change %' has changes or percentages, not prices.\n"
            '  Choose a column with prices: price="Close".'
        )
        text = text.replace("Change %", "Rendite")
        assert 'Choose a column with prices: price="Close".' in refused(text, price="Rendite")

    def test_a_file_of_changes_has_no_column_to_choose(self) -> None:
        message = refused("Date,Change %,Foo\n2021-05-14,0.5%,-1%\n")
        assert message.endswith("no price column in [Date, Change %, Foo]; none of them can be prices.")

    def test_a_volume_is_a_price_only_if_it_is_chosen(self) -> None:
        text = "Date,Volume\n2021-05-14,5\n"
        assert refused(text).endswith('no price column in [Date, Volume]; pass price="Volume".')
        Path("prices.csv").write_text(text)
        assert read_prices("prices.csv", price="Volume").prices().tolist() == [5]

    def test_a_rate_in_percent_is_a_price(self) -> None:
        Path("prices.csv").write_text("Date,Close\n2021-05-14,0.5%\n2021-05-17,1%\n")
        assert read_prices("prices.csv").prices().tolist() == pytest.approx([0.005, 0.01])

    def test_no_date(self) -> None:
        message = refused("Quarter,Close\nQ1 2020,1\n")
        assert message.startswith("prices.csv: no date column in [Quarter, Close].\n")
        assert 'for example date="Quarter"' in message

    def test_two_columns_of_one_name(self) -> None:
        message = refused("Date,Close,Close\n2021-05-14,1,2\n")
        assert message.startswith("prices.csv: 2 columns are called 'Close'.")
        assert "2 columns are called 'AAPL'" in refused("Date,AAPL,AAPL\n2021-05-14,1,2\n")


class TestOptions:
    def test_a_missing_column(self) -> None:
        for option in ("price", "date", "symbol_column"):
            message = refused(HEAD, **{option: "Clsoe"})
            assert f"prices.csv has no column 'Clsoe' ({option}). Did you mean 'Close'?" in message
            assert "Its columns: [Date, Open, Close]." in message

    def test_an_invalid_date_format(self) -> None:
        assert "date_format=\"%Q\" is not a date format: 'Q' is a bad directive" in refused(
            HEAD, date_format="%Q"
        )

    def test_a_date_format_that_does_not_fit(self) -> None:
        message = refused(HEAD, date_format="%d/%m/%Y")
        assert "line 2, column 'Date': '2021-05-13' is not in the format '%d/%m/%Y'." in message

    def test_invalid_marks(self) -> None:
        assert 'the decimal mark must be "." or ","' in refused(HEAD, decimal="x")
        for delimiter in ("", ",,", "a", '"', "\n", "é"):
            assert "the delimiter must be one character" in refused(HEAD, delimiter=delimiter)
        assert "at least one row is needed" in refused(HEAD, min_rows=0)


class TestSymbols:
    LONG = "Date,Name,Close\n2021-05-14,AAPL,1\n2021-05-14,IBM,2\n2021-05-14,MSFT,3\n2021-05-14,GE,4\n"

    def test_several_without_a_choice(self) -> None:
        Path("prices.csv").write_text(self.LONG)
        table = read_prices("prices.csv")
        for use in (table.dates, table.prices):
            with pytest.raises(SourceError) as caught:
                use()
            assert str(caught.value) == (
                "prices.csv: 4 symbols found (AAPL, IBM, MSFT and GE).\n"
                '  Choose one, symbol="AAPL", or several, symbol=["AAPL", "IBM"].'
            )

    def test_a_missing_symbol(self) -> None:
        assert refused(self.LONG, symbol="APPL") == (
            "prices.csv has no symbol 'APPL'. Did you mean 'AAPL'?\n"
            "  Symbols in the file: AAPL, IBM, MSFT and GE."
        )
        assert "has no symbol 'A'" in refused("Date,AAPL,IBM\n2021-05-14,1,2\n", symbol=["IBM", "A"])
        Path("prices.csv").write_text(self.LONG)
        with pytest.raises(SourceError, match="has no symbol 'MSTF'. Did you mean 'MSFT'"):
            read_prices("prices.csv").prices("MSTF")

    def test_several_symbols_of_a_file_without_symbols(self) -> None:
        message = refused(HEAD, symbol=["AAPL", "IBM"])
        assert "has only one series, without symbols: AAPL and IBM cannot be selected" in message

    def test_a_row_without_one(self) -> None:
        message = refused("Date,Name,Close\n2021-05-14,AAPL,1\n2021-05-17,,2\n")
        assert message == (
            "prices.csv: 1 row without a symbol in column 'Name' (line 3).\n"
            "  Fill it in, or remove the lines."
        )


class TestDates:
    def test_day_or_month(self) -> None:
        assert refused("Date,Close\n03/03/2021,1\n03/04/2021,2\n") == (
            "prices.csv: line 3, column 'Date': '03/04/2021' could be 3 April or 4 March, and no row shows "
            "which.\n"
            '  Pass date_format="%d/%m/%Y" or date_format="%m/%d/%Y".'
        )
        assert 'date_format="%d-%m-%y %H:%M"' in refused("Date,Close\n01-02-21 09:30,1\n")

    def test_day_month_or_year(self) -> None:
        assert refused("Date,Close\n23/01/30,1\n23/01/10,2\n23/02/01,3\n") == (
            "prices.csv: line 2, column 'Date': '23/01/30' could be 23 January of the year 30 or 30 January "
            "of the year 23, and no row shows which.\n"
            '  Pass date_format="%d/%m/%y" or date_format="%y/%m/%d".'
        )
        message = refused("Date,Close\n01-02-03,1\n")
        assert "could be 1 February of the year 03, 2 January of the year 03 or 3 February of the" in message
        assert message.endswith('"%d-%m-%y", date_format="%m-%d-%y" or date_format="%y-%m-%d".')

    @pytest.mark.parametrize(
        ("settles", "date"), [("13/04/2021", "2021-04-03"), ("04/13/2021", "2021-03-04")]
    )
    def test_any_row_settles_it(self, settles: str, date: str) -> None:
        Path("prices.csv").write_text(f"Date,Close\n03/04/2021,1\n{settles},2\n")
        assert str(read_prices("prices.csv").dates()[0]) == date

    def test_so_does_the_option(self) -> None:
        Path("prices.csv").write_text("Date,Close\n03/04/2021,1\n")
        assert str(read_prices("prices.csv", date_format="%m/%d/%Y").dates()[0]) == "2021-03-04"

    def test_both_cannot_be(self) -> None:
        message = refused("Date,Close\n13/04/2021,1\n04/25/2021,2\n")
        assert (
            "line 3, column 'Date': '04/25/2021' is not a date.\n  Correct the line, or pass the format of "
            "the dates" in message
        )

    @pytest.mark.parametrize("cell", ["2021-02-30", "tomorrow", "2021-13-01", "99/99/99", "2021-05-14 25:00"])
    def test_not_a_date(self, cell: str) -> None:
        assert f"prices.csv: line 3, column 'Date': '{cell}' is not a date." in refused(
            HEAD + f"{cell},1,2\n"
        )

    def test_a_format_for_no_rows(self) -> None:
        assert "no row has a date and a price" in refused("Date,Close\n", date_format="%Y")

    def test_missing(self) -> None:
        assert refused(HEAD + ",1,2\n") == (
            "prices.csv: 1 row without a date in column 'Date' (line 3).\n  Fill it in, or remove the lines."
        )

    def test_twice_with_different_prices(self) -> None:
        assert refused(HEAD + "2021-05-14,1,11\n2021-05-13,1,10.5\n") == (
            "prices.csv: 2021-05-13 appears twice with different prices: "
            "'Close' is 10 in line 2 and 10.5 in line 4 (line 4).\n  Remove the wrong line."
        )
        message = refused("Date,Name,Close\n2021-05-14,AAPL,1\n2021-05-14,IBM,2\n2021-05-14,IBM,3\n")
        assert (
            "2021-05-14 appears twice for IBM with different prices: 'Close' is 2 in line 3 and 3 in"
            in message
        )

    def test_twice_because_the_symbols_were_not_recognised(self) -> None:
        message = refused("Date,Aktie,Close\n2021-05-14,SAP,1\n2021-05-14,BMW,2\n")
        assert 'If the file has several symbols, name their column: symbol_column="Aktie".' in message


class TestCells:
    @pytest.mark.parametrize("cell", ["abc", "12,34x", "1.2.3", "inf", "1e999", "0x10", "12:30"])
    def test_not_a_number(self, cell: str) -> None:
        assert refused(HEAD + f'2021-05-14,1,"{cell}"\n') == (
            f"prices.csv: line 3, column 'Close': '{cell}' is not a number.\n"
            "  Correct the cell, or leave it empty if the price is unknown. If the file has another decimal "
            'mark, pass decimal=",".'
        )

    def test_a_long_cell_is_cut(self) -> None:
        message = refused(HEAD + "2021-05-14,1," + "x" * 5000 + "\n")
        assert "column 'Close': '" + "x" * 80 + "…' is not a number" in message

    def test_every_line_is_reported(self) -> None:
        message = refused(HEAD + "2021-05-14,1,x\n2021-05-17,1,y\n2021-05-18,1,z\n")
        assert "line 3, column 'Close': 'x' is not a number; the same in lines 4 and 5." in message

    def test_a_wide_file_names_the_column(self) -> None:
        assert "line 2, column 'IBM': 'x' is not a number" in refused(
            "Date,AAPL,IBM\n2021-05-14,1,x\n2021-05-17,1,2\n"
        )

    def test_a_requested_price_that_is_text(self) -> None:
        message = refused("Date,Note,Close\n2021-05-14,x,1\n", price="Note")
        assert "line 2, column 'Note': 'x' is not a number" in message

    @pytest.mark.parametrize("cell", ["-1", "0"])
    def test_not_positive(self, cell: str) -> None:
        assert refused(HEAD + f"2021-05-14,1,{cell}\n") == (
            f"prices.csv: line 3, column 'Close': the price is {cell}; log returns need positive prices.\n"
            "  Correct the cell, or leave it empty if the price is unknown."
        )

    def test_a_bad_cell_next_to_the_price_is_reported_and_read_as_missing(self) -> None:
        Path("prices.csv").write_text(HEAD + "2021-05-14,x,2\n")
        table = read_prices("prices.csv")
        (finding,) = (found for found in table.findings if found.kind == "no-number")
        assert finding.message == "line 3, column 'Open': 'x' is not a number, and is read as missing"
        assert (finding.severity, table.rows) == ("warning", 2)

    def test_too_few_and_too_many(self) -> None:
        assert refused(HEAD + "2021-05-14,1\n2021-05-17,1,2,3\n") == (
            "prices.csv: line 3 has 2 cells, but the header has 3 names: '2021-05-14,1'; "
            "the same in line 4.\n"
            "  Correct the line, or remove it."
        )

    def test_a_quotation_mark_that_is_not_closed(self) -> None:
        message = refused(HEAD + '2021-05-14,"1,2\n2021-05-17,1,2\n2021-05-18,1,2\n')
        assert message.startswith("prices.csv: line 3: a quotation mark is not closed on the same line.\n")

    def test_several_kinds_of_mistakes(self) -> None:
        message = refused(HEAD + "2021-05-14,1,x\n2021-05-17,1,-1\nx,1,2\n")
        assert message.endswith("\n  And 2 more kinds of mistakes; to list all: seqkit inspect prices.csv")


class TestTooFewRows:
    def test_the_required_number_is_reported(self) -> None:
        assert refused(HEAD, min_rows=300) == (
            "prices.csv: prices has 1 row; at least 300 are needed.\n"
            "  Give a longer file, or leave the symbol out."
        )
        message = refused("Date,AAPL,FB\n2021-05-14,1,\n2021-05-17,2,3\n", min_rows=2)
        assert message.startswith("prices.csv: FB has 1 row; at least 2 are needed")

    def test_none_at_all(self) -> None:
        for text in ("Date,Close\n", "Date,Close\n2021-05-14,null\n"):
            assert "prices.csv: no row has a date and a price." in refused(text)
        message = refused("Date,AAPL,FB\n2021-05-14,1,\n", symbol="FB")
        assert "no row has a date and a price" in message
