"""Single cells: numbers, dates, and what decides how they are read."""

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit.sources.prices import words
from seqkit.sources.prices.calendar import looks_like_date
from seqkit.sources.prices.clock import read_time
from seqkit.sources.prices.columns import DATE, TIME, plain_name, role_of
from seqkit.sources.prices.dates import read_dates
from seqkit.sources.prices.numbers import find_decimal, is_missing, is_number, read_numbers


def column(*cells: str) -> Any:
    return pa.chunked_array([pa.array(cells, pa.string())])


def number(cell: str, decimal: Any = ".") -> float | str | None:
    """The value of a cell; None if it is marked as missing, "bad" if it is not a number."""
    read = read_numbers(column(cell), decimal)
    assert len(read.values) == 1
    if read.bad.size:
        assert np.isnan(read.values[0])
        return "bad"
    return None if np.isnan(read.values[0]) else float(read.values[0])


class TestNumbers:
    @pytest.mark.parametrize(
        ("cell", "value"),
        [
            *(("127.45", 127.45), ("-3", -3), ("+7", 7), ("6.80E-05", 6.8e-5), (".5", 0.5), ("1.", 1)),
            *(("$191.38", 191.38), ("-$5", -5), ("€ 5", 5), ("5 €", 5), ("−5", -5)),
            *(("1,234,567", 1234567), ("7,278.20", 7278.2), ("1'234.5", 1234.5), ("1\u202f234", 1234)),
            *(("190.28M", 190.28e6), ("2k", 2000), ("1.02B", 1.02e9), ("1T", 1e12), (" 1 ", 1)),
            *(("50 %", 0.5), ("-1.5%", -0.015), ("1,00,460.00", 100460), ("7,89,06,499", 78906499)),
            *(("R$ 122.64", 122.64), ("5 USD", 5), ("usd5", 5), ("12.30 zł", 12.3), ("Rs.1,234.50", 1234.5)),
            *(("Rs. 7", 7), ("-US$ 5", -5), ("CHF -3", -3), ("1.5 руб.", 1.5)),
            *(("￥1,000", 1000), ("1000円", 1000), ("5 €", 5), ("kr 7", 7), ("HK$1.2M", 1.2e6)),
            *(("1,005 ", 1005), ("1,306\u00a0", 1306)),
        ],
    )  # fmt: skip
    def test_a_number(self, cell: str, value: float) -> None:
        assert number(cell) == pytest.approx(value, rel=1e-15)
        assert is_number(cell)

    @pytest.mark.parametrize(
        "cell", ["", " ", "null", "NULL", "N/A", "n.a.", "NaN", "nan", ".", "-", "--", "None", "$", "#N/A"]
    )
    def test_missing(self, cell: str) -> None:
        assert number(cell) is None
        assert number(cell, ",") is None
        assert is_missing(cell)

    @pytest.mark.parametrize(
        "cell",
        [
            *("abc", "12,34", "1,2,3", "1.2.3", "1e", "e5", "%", "K", "1_000", "0x10", "٣", "1 2", "12 34"),
            *(
                "inf",
                "-Infinity",
                "1e999",
                "1,0000",
                "5 XYZ",
                "1,00,00",
                "true",
                "2021-05-14",
                "1..2",
                "--5",
                "1.02\tB",
            ),
        ],
    )
    def test_no_number(self, cell: str) -> None:
        assert number(cell) == "bad"

    @pytest.mark.parametrize(
        ("cell", "value"),
        [("7,79", 7.79), ("7.278,20", 7278.2), ("1.234", 1234), ("1,234", 1.234), ("190,28M", 190.28e6),
         ("R$ 122,64", 122.64), ("Rs.1.234,5", 1234.5), ("12,30 zł", 12.3), ("1.234,50 EUR", 1234.5)],
    )  # fmt: skip
    def test_with_a_decimal_comma(self, cell: str, value: float) -> None:
        assert number(cell, ",") == pytest.approx(value, rel=1e-15)

    def test_a_point_is_not_a_decimal_comma(self) -> None:
        assert number("7.79", ",") == "bad"

    def test_plain_cells_next_to_others_keep_their_values(self) -> None:
        read = read_numbers(column("1.5", "x", "$2", "", "3,000", "4M"), ".")
        np.testing.assert_array_equal(read.values, [1.5, np.nan, 2, np.nan, 3000, 4e6])
        assert read.bad.tolist() == [1]

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_any_number_that_python_writes_is_read_exactly(self, value: float) -> None:
        assert number(repr(value)) == value
        assert read_numbers(column(repr(value), "$1"), ".").values[0] == value

    @pytest.mark.parametrize(
        ("cells", "delimiter", "mark", "is_open"),
        [
            (["7,79"], ";", ",", False),
            (["7.79"], ";", ".", False),
            (["10.09.08", "7,79"], ";", ",", False),
            (["1,234,567"], ",", ".", False),
            (["1.234.567"], ";", ",", False),
            (["7.278,20"], ",", ",", False),
            (["$7,278.20"], ",", ".", False),
            (["0,123"], ",", ",", False),
            (["1,234"], ",", ".", True),
            (["1,234"], ";", ",", True),
            (["110.123"], ";", ".", True),
            (["5", "x", ""], ",", ".", False),
            (["1,005 ", "900 "], ",", ".", True),
            (["1,00,460"], ",", ".", False),
            (["R$ 122,64"], ",", ",", False),
            (["1,234.50 USD"], ",", ".", False),
        ],
    )
    def test_the_decimal_mark(self, cells: list[str], delimiter: str, mark: str, is_open: bool) -> None:
        found, open_cell = find_decimal(cells, delimiter)
        assert (found, open_cell is not None) == (mark, is_open)


def date(cell: str, **options: Any) -> str:
    """The date of a cell in ISO 8601; NaT if it is not a date."""
    stamps = read_dates(column(cell), **options)
    assert stamps.undecided is None
    assert (stamps.bad.size == 0) == (not np.isnat(stamps.local[0]) or not cell)
    return str(stamps.local[0].astype("datetime64[s]")).removesuffix("T00:00:00")


class TestDates:
    @pytest.mark.parametrize(
        ("cell", "iso"),
        [
            *(("2021-05-14", "2021-05-14"), ("2021/5/4", "2021-05-04"), ("2021.05.14", "2021-05-14")),
            *(("20210514", "2021-05-14"), ("1577836800", "2020-01-01"), ("1577836800123", "2020-01-01")),
            *(("1577836800123456", "2020-01-01"), ("1577836800123456789", "2020-01-01")),
            *(("915148800", "1999-01-01"), ("915148800123", "1999-01-01"), ("1577836800.0", "2020-01-01")),
            *(("1577836800.123", "2020-01-01"), ("1577836800000.0", "2020-01-01")),
            *(("2021051409", "2021-05-14T09:00:00"), ("202105140930", "2021-05-14T09:30:00")),
            *(("20210514093015", "2021-05-14T09:30:15"), ("2021年5月14日", "2021-05-14")),
            *(("2021- 05- 14", "2021-05-14"), ("2021.05.14.", "2021-05-14")),
            *(("2021년 5월 14일", "2021-05-14"),),
            *(("Jan 1 2000", "2000-01-01"), ("Apr 09, 2020", "2020-04-09"), ("June 9, 2020", "2020-06-09")),
            *(("19-Sep-03", "2003-09-19"), ("1 May 2021", "2021-05-01"), ("Fri, 14 May 2021", "2021-05-14")),
            *(("14. März 2021", "2021-03-14"), ("10.09.08", "2008-09-10"), ("12/31/1999", "1999-12-31")),
            *(("31/12/1999", "1999-12-31"), ("1/29/1999", "1999-01-29"), ("3/3/2021", "2021-03-03")),
            *(("2021-05-14 09:30", "2021-05-14T09:30:00"), ("2021-05-14T09:30:00Z", "2021-05-14T09:30:00")),
            *(("5/14/2021 4:00:00 PM", "2021-05-14T16:00:00"), ("5/14/21 12:30 AM", "2021-05-14T00:30:00")),
            *(("1980-12-12 00:00:00-05:00", "1980-12-12"), ("2021-05-14 09:30+09:00", "2021-05-14T09:30:00")),
        ],
    )  # fmt: skip
    def test_a_date(self, cell: str, iso: str) -> None:
        read = date(cell)
        assert read == iso
        assert looks_like_date(cell, digits=True)

    @pytest.mark.parametrize(
        "cell",
        [
            *("", "x", "2021-02-30", "31/04/2021", "2021-13-01", "2021-00-10", "2021-05-145", "12-2021"),
            *("Foo 1 2000", "2021-05-14 24:00", "2021-05-14 09:60", "13:00 PM", "99/99/2021", "٣/٣/2021"),
        ],
    )
    def test_no_date(self, cell: str) -> None:
        assert date(cell) == "NaT"

    def test_two_digits_are_a_year_that_has_been(self) -> None:
        assert date("2-Jan-62") == "1962-01-02"
        assert date("2-Jan-03") == "2003-01-02"

    def test_offsets_are_distinguished_from_the_time(self) -> None:
        stamps = read_dates(column("2021-03-12 00:00:00-05:00", "2021-03-15 00:00:00-04:00"))
        assert stamps.utc is not None
        assert [str(time) for time in stamps.utc.astype("datetime64[h]")] == [
            "2021-03-12T05",
            "2021-03-15T04",
        ]

    def test_a_format_that_is_given(self) -> None:
        assert date("03/04/2021", date_format="%m/%d/%Y") == "2021-03-04"
        assert date("2021-05-14", date_format="%m/%d/%Y") == "NaT"
        assert date("20210514T0930+0900", date_format="%Y%m%dT%H%M%z") == "2021-05-14T09:30:00"

    def test_a_time_of_its_own(self) -> None:
        assert date("20210514", times=column("153000")) == "2021-05-14T15:30:00"
        assert date("2021-05-14", times=column("09:30")) == "2021-05-14T09:30:00"

    def test_an_hour_of_its_own(self) -> None:
        assert date("2021-05-14", times=column("9")) == "2021-05-14T09:00:00"
        assert date("2021-05-14", times=column("24")) == "2021-05-15"  # the hour that ends at midnight
        assert np.isnat(read_dates(column("2021-05-14"), times=column("25")).local[0])

    def test_ten_digits_get_the_reading_that_makes_sense_for_the_column(self) -> None:
        hours = read_dates(column("2024010100", "2024010123", "2024013101"))
        assert str(hours.local[2]) == "2024-01-31T01:00:00.000000"
        seconds = read_dates(column("1999999999", "2024010100", "2034013199", "2034023199", "2034033199"))
        assert str(seconds.local[1].astype("datetime64[D]")) == "2034-02-20"
        hours = read_dates(column("2024010100", "2024010101", "2024013200"))
        assert hours.bad.tolist() == [2]

    def test_fractions_of_unix_time_are_kept(self) -> None:
        for cell in ("1577836800123456", "1577836800.123456", "1577836800123456789", "1577836800123.456"):
            assert str(read_dates(column(cell)).local[0]) == "2020-01-01T00:00:00.123456"

    @pytest.mark.parametrize(
        ("cells", "first"),
        [
            (["23/01/30", "23/01/31", "23/02/02", "23/03/01"], "2023-01-30"),
            (["23/03/01", "23/02/02", "23/01/31", "23/01/30"], "2023-03-01"),
            (["30/01/23", "31/01/23", "02/02/23", "01/03/23"], "2023-01-30"),
            (["01/30/23", "01/31/23", "02/01/23"], "2023-01-30"),
            (["11/01/2021", "12/01/2021", "01/02/2021"], "2021-01-11"),
            (["01/11/2021", "01/12/2021", "02/01/2021"], "2021-01-11"),
            (["23.01.30", "23.01.31", "23.02.01"], "2023-01-30"),
            (["10.09.08", "11.09.08", "12.09.08"], "2008-09-10"),
            (["99-12-30", "99-12-31", "00-01-03"], "1999-12-30"),
        ],
    )
    def test_the_reading_that_leaves_the_file_in_order(self, cells: list[str], first: str) -> None:
        stamps = read_dates(column(*cells))
        assert (stamps.undecided, stamps.bad.size) == (None, 0)
        assert str(stamps.local[0].astype("datetime64[D]")) == first

    @pytest.mark.parametrize(
        "cells",
        [
            ["23/01/30", "23/01/31", "23/02/01"],  # in order, whether the day or the year is first
            ["23/01/30", "23/01/10", "23/02/01"],  # shuffled
            ["30/01/23", "10/01/23", "01/02/23"],
            ["14/05/21", "17/05/21", "18/05/21"],
            ["27/02/23", "28/02/23", "31/02/23", "01/03/23"],  # there is no 31 February
            ["23/01/30", "23/01/31", "23/02/30", "23/03/01"],
            ["01/02/2021", "02/03/2021", "03/04/2021"],
        ],
    )
    def test_ambiguous_dates(self, cells: list[str]) -> None:
        assert read_dates(column(*cells)).undecided is not None

    def test_a_day_after_the_twelfth_settles_it_in_any_order(self) -> None:
        stamps = read_dates(column("13/04/2021", "03/05/2021", "03/04/2021"))
        assert (stamps.undecided, str(stamps.local[0].astype("datetime64[D]"))) == (None, "2021-04-13")

    def test_each_symbol_has_an_order_of_its_own(self) -> None:
        cells = ["23/01/30", "23/02/02", "23/03/01"] * 2
        symbols = np.array([0, 0, 0, 1, 1, 1], np.int32)
        assert read_dates(column(*cells)).undecided is not None
        stamps = read_dates(column(*cells), symbols=symbols)
        assert (stamps.undecided, str(stamps.local[5].astype("datetime64[D]"))) == (None, "2023-03-01")

    @given(st.lists(st.dates(dt.date(1970, 1, 1), dt.date(2024, 1, 1)), min_size=40, unique=True))
    def test_a_file_in_order_is_read_or_reported_as_ambiguous_for_any_order_of_day_month_and_year(
        self, days: list[dt.date]
    ) -> None:
        for form in ("%d/%m/%y", "%m/%d/%y", "%y/%m/%d", "%d/%m/%Y", "%m-%d-%Y"):
            stamps = read_dates(column(*(day.strftime(form) for day in sorted(days))))
            assert stamps.undecided is not None or stamps.local.astype("datetime64[D]").tolist() == sorted(
                days
            )

    def test_the_first_ambiguous_date_is_reported(self) -> None:
        assert read_dates(column("03/03/2021", "03/04/2021", "01/01/2021")).undecided == 1
        assert read_dates(column("03/04/2021", "13/04/2021")).undecided is None

    @given(
        st.datetimes(),
        st.sampled_from(["%Y-%m-%d %H:%M:%S.%f", "%d %B %Y %H:%M:%S.%f", "%Y/%m/%d %H%M%S.%f"]),
    )
    def test_any_date_that_python_writes_is_read(self, when: Any, form: str) -> None:
        written = when.strftime(form.replace("%Y", f"{when.year:04d}"))
        stamps = read_dates(column(written))
        assert stamps.local[0].astype("datetime64[us]") == np.datetime64(when)


@pytest.mark.parametrize("text", ["25:00", "9", "x", "09:30 EDTX", "0:00 PM"])
def test_no_time(text: str) -> None:
    assert read_time(text) is None


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *(("<CLOSE>", "close"), (" Close/Last", "close"), ("Last", "close"), ("Schlußkurs", "close")),
        *(("Adj. Close*", "adj_close"), ("5. adjusted close", "adj_close"), ("adjusted_close", "adj_close")),
        *(("Vol.", "volume"), ("<VOL>", "volume"), ("Change %", "change"), ("Close (USD)", "close")),
        *(("Kurs", "close"), ("AAPL", None), ("", None), ("Höchst", "high"), ("+/- %", "change")),
        *(("Clôture", "close"), ("CLOTURE", "close"), ("Plus haut", "high"), ("Cours ajusté", "adj_close")),
        *(("Eröffnung", "open"), ("Eroeffnung", "open"), ("Eröffn.", "open"), ("Var%", "change")),
        *(("Último", "close"), ("MÁXIMO", "high"), ("Apertura", "open"), ("Mínima", "low")),
        *(("Abertura", "open"), ("Fechamento", "close"), ("Preço", "close"), ("Chiusura", "close")),
        *(("Slotkoers", "close"), ("Laatste", "close"), ("Hoog", "high"), ("Laag", "low")),
        *(("Цена", "close"), ("Откр.", "open"), ("ОБЪЕМ", "volume"), ("Объём", "volume")),
        *(("終値", "close"), ("始値", "open"), ("出来高", "volume"), ("変化率 %", "change")),
        *(("收盘价", "close"), ("開盤", "open"), ("成交量", "volume"), ("涨跌幅", "change")),
        *(("종가", "close"), ("시가", "open"), ("거래량", "volume"), ("수정주가", "adj_close")),
        *(("बंद", "close"), ("खुला", "open"), ("उच्च", "high"), ("बदलाव %", "change")),
        *(("Kapanış", "close"), ("KAPANIŞ", "close"), ("Kapanis", "close"), ("Düşük", "low")),
        *(("Zamknięcie", "close"), ("Najwyższy", "high"), ("Otwarcie", "open"), ("Wol.", "volume")),
    ],
)  # fmt: skip
def test_roles(name: str, role: str | None) -> None:
    assert role_of(name) == role
    assert plain_name(name) == plain_name(name.upper().replace("SS", "ß"))


@pytest.mark.parametrize("language", [*words.CLOSE])
def test_every_role_is_known_in_every_language(language: str) -> None:
    tables = {
        "open": words.OPEN, "high": words.HIGH, "low": words.LOW, "close": words.CLOSE,
        "adj_close": words.ADJUSTED_CLOSE, "volume": words.VOLUME, "change": words.CHANGE,
    }  # fmt: skip
    for role, table in tables.items():
        for word in table[language].split("|"):
            assert {role_of(word), role_of(word.upper()), role_of(f" {word} (USD)")} == {role}, word
    for word in words.PRICE[language].split("|"):
        assert role_of(word) == "close"
    for known, table in ((DATE, words.DATE), (TIME, words.TIME)):
        assert {plain_name(word) for word in table[language].split("|")} <= set(known)
