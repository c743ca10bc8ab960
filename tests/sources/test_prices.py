"""Ten lines of each format can be read without any option."""

import datetime
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqkit.errors import SourceError
from seqkit.sources import Finding, PriceTable, read_prices

FOLDER = Path(__file__).parent / "prices"

OHLV = ("open", "high", "low", "volume")
FORMATS = """
file|rows|symbols|form|order|date and price column|first, last date and price (of the first symbol)
yahoo.csv|8|yahoo|single|ascending|Date|Adj Close|2021-05-10|126.02|2021-05-20|126.48
yfinance.csv|7|MSFT|single|ascending|Date|Close|2024-01-02|366.2|2024-01-10|377.95
yfinance-panel.csv|7|AAPL MSFT|wide|ascending|Date|Close|2024-01-02|184.9|2024-01-10|185.45
yfinance-history.csv|9|yfinance-history|single|ascending|Date|Close|2021-03-10|119.35|2021-03-22|122.72
stooq.txt|9|IBM.US|single|ascending|<DATE>|<CLOSE>|2026-09-18|252.75|2026-10-01|259.2
alpha-vantage.csv|9|alpha-vantage|single|descending|timestamp|adjusted_close|2014-05-30|19.769|2014-06-11|20.519
nasdaq.csv|9|nasdaq|single|descending|Date|Close/Last|2024-12-03|185.02|2024-12-13|191.38
investing.csv|9|investing|single|descending|Date|Price|2020-03-30|6911.5|2020-04-09|7278.2
barchart.csv|8|barchart|single|descending|Time|Last|2024-12-04|7.11e-05|2024-12-13|6.8e-05
german.csv|8|german|single|descending|Datum|Schlusskurs|2008-09-01|7.72|2008-09-10|7.7
long.csv|9|AAL AAPL TRUE|long|ascending|date|close|2013-02-08|14.75|2013-02-12|14.27
wide.csv|9|AAPL BRK-B GE|wide|ascending|Date|AAPL|2020-01-02|73.06|2020-01-14|76.06
comment.csv|6|IBM AAPL MSFT|wide|ascending|Date|IBM|1990-01-02|24.5|1990-06-01|28.8
unnamed-date.csv|9|unnamed-date|single|ascending||Close|2004-08-19|100.34|2004-08-31|102.37
month-names.csv|9|MSFT AMZN|long|ascending|date|price|2000-01-01|39.81|2000-05-01|25.45
day-month-name.csv|9|day-month-name|single|descending|Date|Adj. Close*|2003-09-09|28.21|2003-09-19|29.79
crlf.csv|6|crlf|single|ascending|Date|Close|1999-01-04|1228.1|1999-01-29|1279.64
fred.csv|7|DCOILWTICO|single|ascending|DATE|DCOILWTICO|1986-01-02|25.56|1986-01-14|24.97
hourly.csv|9|hourly|single|ascending|Datetime|Close|2021-11-05T13:30:00|151.31|2021-11-08T14:30:00|150.31
"""
ROWS = [line.split("|") for line in FORMATS.strip().splitlines()[1:]]


def read(name: str) -> PriceTable:
    return read_prices(FOLDER / name)


def write(text: str, name: str = "prices.csv") -> str:
    Path(name).write_text(text, "utf-8")
    return name


def pack(**files: str) -> None:
    with zipfile.ZipFile("aapl.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def lines(table: PriceTable, kind: str) -> tuple[int, ...]:
    """Lines of the only finding of that kind."""
    (finding,) = (finding for finding in table.findings if finding.kind == kind)
    return finding.lines


def test_every_file_is_in_the_table() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {row[0] for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_format(row: list[str]) -> None:
    name, rows, symbols, form, order, date, price, *ends = row
    table = read(name)
    assert table.rows == int(rows)
    assert table.symbols == tuple(symbols.split())
    assert (table.form, table.order) == (form, order)
    assert (table.date_column, table.price_column) == (date, price)
    dates, prices = table.dates(table.symbols[0]), table.prices(table.symbols[0])
    assert [str(dates[0]), f"{prices[0]:g}", str(dates[-1]), f"{prices[-1]:g}"] == ends
    assert dates.dtype in (np.dtype("datetime64[D]"), np.dtype("datetime64[s]"))
    assert prices.dtype == np.float64
    assert np.all(dates[1:] > dates[:-1])
    assert (table.delimiter, table.decimal) == ((";", ",") if name == "german.csv" else (",", "."))
    assert not [finding for finding in table.findings if finding.severity == "error"]


class TestOtherColumns:
    def test_columns_have_the_names_that_features_need(self) -> None:
        assert set(read("yahoo.csv").columns["yahoo"]) == {*OHLV, "close"}
        assert set(read("stooq.txt").columns["IBM.US"]) == {*OHLV, "<OPENINT>"}
        assert set(read("investing.csv").columns["investing"]) == {*OHLV, "change"}
        assert set(read("german.csv").columns["german"]) == {*OHLV, "Volumen"}
        assert set(read("long.csv").columns["TRUE"]) == set(OHLV)
        assert set(read("wide.csv").columns["GE"]) == set()

    def test_they_are_aligned_to_the_rows(self) -> None:
        table = read("nasdaq.csv")
        assert table.columns["nasdaq"]["open"].tolist()[:2] == [184.40, 185.15]
        volume = table.columns["nasdaq"]["volume"]
        assert volume[0] == 4844029
        assert np.flatnonzero(np.isnan(volume)).tolist() == [3]  # N/A
        assert str(table.dates()[3]) == "2024-12-06"

    def test_suffixes_and_percent(self) -> None:
        columns = read("investing.csv").columns["investing"]
        assert columns["volume"][3] == 1.02e9
        assert np.isnan(columns["volume"][0])
        assert columns["volume"][-1] == pytest.approx(190.28e6)
        assert columns["change"][-1] == pytest.approx(0.0055)

    def test_a_german_file_has_points_in_its_thousands(self) -> None:
        columns = read("german.csv").columns["german"]
        assert columns["volume"][-1] == 1_204_310
        assert columns["Volumen"][-1] == 9_352_871

    def test_a_panel_has_those_of_each_symbol(self) -> None:
        table = read("yfinance-panel.csv")
        assert table.columns["AAPL"]["volume"][0] == 82488700
        assert table.columns["MSFT"]["volume"][-1] == 25514200
        assert len(table.columns["MSFT"]["volume"]) == len(table.prices("MSFT")) == 6

    def test_a_text_column_is_left_out_and_reported(self) -> None:
        (finding,) = (found for found in read("stooq.txt").findings if found.kind == "text-column")
        assert finding.message == "column '<PER>' holds text, and was left out"


class TestRows:
    def test_a_row_without_a_price_is_left_out_and_reported(self) -> None:
        table = read("yahoo.csv")
        assert (table.rows, table.rows_read) == (8, 9)
        assert lines(table, "missing-price") == (6,)
        assert lines(read("fred.csv"), "missing-price") == (6, 9)

    def test_in_a_wide_file_a_symbol_has_its_own_rows(self) -> None:
        table = read("wide.csv")
        assert [len(table.prices(symbol)) for symbol in table.symbols] == [9, 8, 8]
        (finding,) = (found for found in table.findings if found.kind == "missing-price")
        assert finding.message == "there is no price for BRK-B in 1 row and GE in 1 row (lines 8 and 9)"
        assert finding.rows == 0
        table = read("comment.csv")
        assert lines(table, "missing-price") == (4, 6)
        assert (table.rows, table.rows_read) == (6, 8)

    def test_a_footer_is_reported(self) -> None:
        table = read("barchart.csv")
        assert lines(table, "footer") == (10,)
        assert (table.rows, table.rows_read) == (8, 9)

    @pytest.mark.parametrize(
        "footer",
        ['"",Highest:134,Lowest:89', "Total,,", "Source: somewhere,,", "Average:,,\n,Max:2,Min:1", "Total,3"],
    )
    def test_a_footer_of_several_cells_is_reported(self, footer: str) -> None:
        table = read_prices(write(f"Date,Close,Open\n2021-05-14,1,1\n2021-05-17,2,2\n{footer}\n"))
        (finding,) = (found for found in table.findings if found.kind == "footer")
        assert finding.severity == "warning"
        assert finding.lines == tuple(range(4, 4 + len(footer.splitlines())))
        assert "line 4 is not a row of the table and is left out: '" in finding.message
        assert (table.rows, table.rows_read) == (2, 2 + len(finding.lines))

    def test_lines_count_blank_ones(self) -> None:
        text = "Date,Close\n\n1999-01-04,1\n  \n1999-01-05,null\n\n\n1999-01-06,2\n,\n# end\n"
        table = read_prices(write(text))
        assert lines(table, "missing-price") == (5,)
        assert lines(table, "empty-row") == (9,)
        assert lines(table, "comment") == (10,)
        assert (table.rows, table.rows_read) == (2, 5)

    def test_no_day_is_invented(self) -> None:
        table = read_prices(write("Date,Close\n2021-05-14,1\n2021-05-17,2\n"))
        assert [str(date) for date in table.dates()] == ["2021-05-14", "2021-05-17"]

    def test_rows_in_any_order_are_sorted(self) -> None:
        table = read_prices(write("Date,Close\n2021-05-17,2\n2021-05-14,1\n2021-05-18,3\n"))
        assert table.order == "mixed"
        assert table.prices().tolist() == [1, 2, 3]
        (finding,) = (found for found in table.findings if found.kind == "mixed-order")
        assert (finding.severity, finding.lines, finding.rows) == ("warning", (3,), 0)
        assert finding.message == (
            "the rows are in neither ascending nor descending order of date, and were sorted; "
            "out of order: 1 row (line 3)"
        )

    def test_the_order_of_a_long_file_is_that_of_each_symbol(self) -> None:
        text = "Date,Ticker,Close\n2021-05-14,A,1\n2021-05-17,A,2\n2021-05-17,B,1\n2021-05-14,B,2\n"
        assert lines(read_prices(write(text)), "mixed-order") == (5,)
        text = "Date,Ticker,Close\n2021-05-14,A,1\n2021-05-17,A,2\n2021-05-14,B,1\n2021-05-17,B,2\n"
        kinds = {finding.kind for finding in read_prices(write(text)).findings}
        assert "mixed-order" not in kinds

    def test_a_date_in_the_future_is_a_warning(self) -> None:
        later = datetime.date.today() + datetime.timedelta(days=2)
        table = read_prices(write(f"Date,Close\n2021-05-14,1\n{later},2\n"))
        (finding,) = (found for found in table.findings if found.kind == "future")
        assert (finding.severity, table.rows) == ("warning", 2)
        assert finding.message == f"1 row with a date in the future, the first {later} (line 3)"
        table = read_prices(write(f"Date,Close\n2021-05-14,1\n{datetime.date.today()},2\n"))
        assert "future" not in {found.kind for found in table.findings}

    def test_a_long_file_by_date_is_sorted_by_symbol(self) -> None:
        text = "Date,Ticker,Close\n2021-05-14,B,1\n2021-05-14,A,10\n2021-05-17,B,2\n2021-05-17,A,20\n"
        table = read_prices(write(text))
        assert table.symbols == ("B", "A")
        assert table.prices("B").tolist() == [1, 2]
        assert table.prices("A").tolist() == [10, 20]
        assert table.order == "ascending"

    def test_identical_duplicates_are_dropped_and_counted(self) -> None:
        table = read_prices(write("Date,Close,Volume\n2021-05-14,1,5\n2021-05-17,2,6\n2021-05-17,2,6\n"))
        (finding,) = (found for found in table.findings if found.kind == "duplicate")
        assert (finding.severity, finding.lines, finding.rows) == ("warning", (4,), 1)
        assert table.prices().tolist() == [1, 2]

    def test_a_duplicate_with_a_different_volume_is_reported_as_such(self) -> None:
        table = read_prices(write("Date,Close,Volume\n2021-05-17,2,6\n2021-05-17,2,7\n"))
        (finding,) = (found for found in table.findings if found.kind == "duplicate")
        assert "with the same date and price as another row, but a different volume" in finding.message
        assert table.columns["prices"]["volume"].tolist() == [6]


class TestWhichPrice:
    def test_the_adjusted_close_then_the_close(self) -> None:
        text = "Date,Close,Adj Close\n2021-05-14,10,5\n2021-05-17,12,6\n"
        assert read_prices(write(text)).prices().tolist() == [5, 6]
        assert read_prices(write(text), price="Close").prices().tolist() == [10, 12]
        assert read_prices(write(text), price="adj. close").price_column == "Adj Close"

    def test_it_says_which(self) -> None:
        messages = [finding.message for finding in read("yahoo.csv").findings]
        assert "the price is column 'Adj Close' (the adjusted close)" in messages
        messages = [finding.message for finding in read("nasdaq.csv").findings]
        assert "the price is column 'Close/Last' (the close)" in messages
        assert (
            "there is no adjusted close: the prices may not be adjusted for splits and dividends" in messages
        )

    def test_a_split_that_the_close_is_not_adjusted_for(self) -> None:
        (finding,) = (found for found in read("alpha-vantage.csv").findings if found.kind == "likely-split")
        assert (finding.severity, finding.lines) == ("warning", (4,))
        assert finding.message.startswith(
            "a likely split that the close is not adjusted for: on 2014-06-09 the close changes by a factor "
            "of 0.145, the adjusted close by 1.02"
        )

    def test_a_fall_alone_is_not_a_split(self) -> None:
        text = "Date,Close,Adj Close\n2000-09-28,53.5,3.35\n2000-09-29,25.75,1.61\n2000-10-02,24.25,1.52\n"
        assert not [found for found in read_prices(write(text)).findings if found.kind == "likely-split"]
        text = "Date,Close\n2000-09-28,53.5\n2000-09-29,25.75\n"
        assert not [found for found in read_prices(write(text)).findings if found.kind == "likely-split"]


class TestLargestMove:
    def of(self, *prices: object, header: str = "Date,Close", row: str = "2021-05-{day},{price}") -> Finding:
        rows = [row.format(day=day, price=price) for day, price in enumerate(prices, 10)]
        table = read_prices(write("\n".join([header, *rows, ""])))
        (finding,) = (found for found in table.findings if found.kind == "largest-move")
        return finding

    def test_it_is_reported_with_date_and_line(self) -> None:
        finding = self.of(10, 10.5, 8, 8.1)
        assert (finding.severity, finding.lines, finding.rows) == ("info", (4,), 0)
        assert finding.message == (
            "the largest move of 'Close' from one row to the next is a fall of 24 % on 2021-05-12, "
            "from 10.5 to 8 (line 4)"
        )
        assert "a rise of 25 % on 2021-05-11" in self.of(10, 12.5).message

    @pytest.mark.parametrize(
        ("prices", "says"), [((10, 2), "a fall of 80 %"), ((2, 10), "a rise by a factor of 5")]
    )
    def test_from_a_factor_of_five_it_is_a_warning(self, prices: tuple[float, float], says: str) -> None:
        finding = self.of(*prices)
        assert finding.severity == "warning"
        assert says in finding.message
        assert "an unadjusted split, a different unit or a typing error is likely" in finding.message
        assert self.of(prices[0] * 1.01, prices[1]).severity != self.of(prices[0], prices[1] * 1.01).severity

    def test_it_is_of_one_symbol(self) -> None:
        finding = self.of(1, 2, header="Date,A,B", row="2021-05-{day},{price},100")
        assert (
            "the largest move of 'A' of A from one row to the next is a rise by a factor of 2"
            in finding.message
        )
        table = read_prices(write("Date,Close\n2021-05-14,1\n"))
        assert "largest-move" not in {found.kind for found in table.findings}


class TestSymbols:
    def test_one_or_several_are_picked(self) -> None:
        table = read_prices(FOLDER / "long.csv", symbol="AAPL")
        assert (table.symbols, table.rows, table.rows_read) == (("AAPL",), 3, 9)
        (finding,) = (found for found in table.findings if found.kind == "other-symbols")
        assert finding.message == "6 rows of AAL and TRUE: left out, since other symbols were requested"
        assert finding.rows == 6
        assert read_prices(FOLDER / "long.csv", symbol=["TRUE", "AAL"]).symbols == ("AAL", "TRUE")
        assert read_prices(FOLDER / "wide.csv", symbol="GE").prices()[0] == 90.50

    def test_a_file_without_symbols_gets_the_requested_name(self) -> None:
        assert read_prices(FOLDER / "yahoo.csv", symbol="AAPL").symbols == ("AAPL",)

    def test_faults_of_other_symbols_do_not_matter(self) -> None:
        text = "Date,Ticker,Close\n2021-05-14,A,1\n2021-05-14,B,-1\nx,B,2\n2021-05-17,A,2\n"
        assert read_prices(write(text), symbol="A").prices().tolist() == [1, 2]

    def test_a_symbol_can_look_like_anything(self) -> None:
        text = (
            "Date,Symbol,Close\n2021-05-14,000001,1\n2021-05-14,NA,2\n2021-05-14,TRUE,3\n2021-05-14, B ,4\n"
        )
        table = read_prices(write(text))
        assert table.symbols == ("000001", "NA", "TRUE", "B")

    def test_a_symbol_may_be_called_as_a_column_is(self) -> None:
        table = read_prices(write("Date,LOW,KO,DAY\n2021-05-14,1,2,3\n"))
        assert table.symbols == ("LOW", "KO", "DAY")

    def test_a_line_of_a_wide_file_is_reported_once(self) -> None:
        table = read_prices(write("Date,A,B,C\n2021-05-14,1,2,3\n2021-05-14,1,2,3\n"))
        assert [(found.kind, found.rows) for found in table.findings if found.rows] == [("duplicate", 1)]
        assert table.rows == 1

    def test_a_column_of_symbols_can_be_named(self) -> None:
        text = "Date,Aktie,Close\n2021-05-14,SAP,1\n2021-05-14,BMW,2\n"
        assert read_prices(write(text), symbol_column="Aktie").symbols == ("SAP", "BMW")


class TestDialects:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_delimiters(self, delimiter: str) -> None:
        text = "Date,Open,Close\n2021-05-14,1.5,2.5\n2021-05-17,1.25,2.25\n".replace(",", delimiter)
        table = read_prices(write(text))
        assert (table.delimiter, table.decimal) == (delimiter, ".")
        assert table.prices().tolist() == [2.5, 2.25]

    def test_text_above_the_header_is_reported(self) -> None:
        text = "sep=,\nPrices of AAPL\n\n# made up\nDate,Close\n2021-05-14,1\n"
        assert lines(read_prices(write(text)), "preamble") == (1, 2, 4)

    def test_an_ambiguous_decimal_mark_is_reported(self) -> None:
        text = 'Date,Close\n2021-05-14,"1,234"\n2021-05-17,"1,250"\n'
        table = read_prices(write(text))
        assert table.prices().tolist() == [1234, 1250]
        (finding,) = (found for found in table.findings if found.kind == "decimal")
        assert "'1,234' was read with a decimal point; the first lines do not show which" in finding.message
        assert read_prices(write(text), decimal=",").prices().tolist() == [1.234, 1.25]
        assert read_prices(write(text.replace(",", ";").replace('"1;', '"1,'))).prices()[0] == 1.234

    def test_blanks_before_quotation_marks(self) -> None:
        table = read_prices(write('Date, Close, Volume\n2021-05-14, "1,234.5", "1,000"\n'))
        assert table.prices().tolist() == [1234.5]

    def test_encodings(self) -> None:
        for encoding in ("utf-8-sig", "utf-16", "latin-1"):
            Path("prices.csv").write_bytes(
                "Datum;Schlußkurs;Währung\n2021-05-14;1,5;€\n".replace("€", "¥").encode(encoding)
            )
            table = read_prices("prices.csv")
            assert table.price_column == "Schlußkurs"
            assert table.encoding == encoding.removesuffix("-sig")
            assert table.prices().tolist() == [1.5]

    def test_compressed_files(self) -> None:
        import gzip

        Path("aapl.csv.gz").write_bytes(gzip.compress(b"Date,Close\n2021-05-14,1\n"))
        assert read_prices("aapl.csv.gz").symbols == ("aapl",)

    def test_an_archive_of_one_file(self) -> None:
        csv = "Date,Close\n2021-05-14,1\n"
        pack(**{"a/aapl.csv": csv, "__MACOSX/a/aapl.csv": "x", "a/.DS_Store": "x", "readme.txt": "x"})
        assert read_prices("aapl.zip").prices().tolist() == [1]
        pack(**{"prices.txt": csv})
        assert read_prices("aapl.zip").symbols == ("aapl",)

    def test_an_archive_of_several_files_lists_them(self) -> None:
        pack(**{f"{name}.csv": "Date,Close\n" for name in "abcdefg"})
        with pytest.raises(SourceError) as caught:
            read_prices("aapl.zip")
        assert str(caught.value) == (
            "aapl.zip has 7 files in it: a.csv, b.csv, c.csv, d.csv, e.csv and 2 more.\n"
            "  Unpack it, and give one of them."
        )

    def test_an_archive_that_cannot_be_read(self) -> None:
        pack()
        with pytest.raises(SourceError, match=r"aapl.zip has no file in it."):
            read_prices("aapl.zip")
        Path("aapl.zip").write_bytes(b"PK\x03\x04 no more")
        with pytest.raises(SourceError, match=r"aapl.zip ends in .zip, but it is not a complete zip file"):
            read_prices("aapl.zip")
        with pytest.raises(SourceError, match=r"nowhere.zip cannot be read: No such file or directory."):
            read_prices("nowhere.zip")


class TestTimes:
    def test_offsets_of_summer_and_winter_keep_the_date_of_the_exchange(self) -> None:
        table = read("yfinance-history.csv")
        assert table.dates().dtype == np.dtype("datetime64[D]")
        assert [str(date) for date in table.dates()[2:4]] == ["2021-03-12", "2021-03-15"]

    def test_hours_keep_the_time_of_the_exchange(self) -> None:
        assert str(read("hourly.csv").dates()[3]) == "2021-11-08T09:30:00"

    def test_an_hour_that_occurs_twice_is_distinguished_by_utc(self) -> None:
        text = "Date,Close\n2021-11-07 01:30:00-04:00,1\n2021-11-07 01:30:00-05:00,2\n"
        table = read_prices(write(text))
        assert [str(date) for date in table.dates()] == ["2021-11-07T05:30:00", "2021-11-07T06:30:00"]
        assert "utc" in {finding.kind for finding in table.findings}

    def test_a_column_with_the_time_of_the_day(self) -> None:
        table = read_prices(write("<DATE>,<TIME>,<CLOSE>\n20210514,153000,1\n20210514,154500,2\n"))
        assert str(table.dates()[0]) == "2021-05-14T15:30:00"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.dictionaries(
        st.dates(), st.one_of(st.none(), st.integers(1, 10**7).map(lambda cents: cents / 100)), min_size=1
    ).filter(lambda rows: any(rows.values())),
    shuffled=st.randoms(use_true_random=False),
    delimiter=st.sampled_from(",;|\t"),
    comma=st.booleans(),
    blank=st.booleans(),
)
def test_every_written_file_is_read(rows, shuffled, delimiter, comma, blank) -> None:  # type: ignore[no-untyped-def]
    order = list(rows)
    shuffled.shuffle(order)
    cells = {date: "" if rows[date] is None else f"{rows[date]:.2f}" for date in order}
    if comma:
        cells = {date: f'"{cell.replace(".", ",")}"' for date, cell in cells.items()}
    gap = "\n\n" if blank else "\n"
    text = f"Date{delimiter}Close\n" + gap.join(f"{date}{delimiter}{cells[date]}" for date in order)
    table = read_prices(write(text))
    known = {date: price for date, price in rows.items() if price is not None}
    assert table.dates().tolist() == sorted(known)
    assert table.prices().tolist() == [known[date] for date in sorted(known)]
    step = 2 if blank else 1
    expected = tuple(2 + step * place for place, date in enumerate(order) if rows[date] is None)
    assert tuple(
        line for finding in table.findings if finding.kind == "missing-price" for line in finding.lines
    ) == (expected)
