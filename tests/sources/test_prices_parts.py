"""Cells on their own: numbers, dates, and what decides how they are read."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit.sources.prices.calendar import looks_like_date
from seqkit.sources.prices.clock import read_time
from seqkit.sources.prices.columns import plain_name, role_of
from seqkit.sources.prices.dates import read_dates
from seqkit.sources.prices.numbers import find_decimal, is_missing, is_number, read_numbers


def column(*cells: str) -> Any:
    return pa.chunked_array([pa.array(cells, pa.string())])


def number(cell: str, decimal: Any = ".") -> float | str | None:
    """What a cell is read as; None where it says that nothing is known, "bad" where it is no number."""
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
            *(("50 %", 0.5), ("-1.5%", -0.015)),
        ],
    )  # fmt: skip
    def test_a_number(self, cell: str, value: float) -> None:
        assert number(cell) == pytest.approx(value, rel=1e-15)
        assert is_number(cell)

    @pytest.mark.parametrize(
        "cell", ["", " ", "null", "NULL", "N/A", "n.a.", "NaN", "nan", ".", "-", "--", "None", "$", "#N/A"]
    )
    def test_none_is_known(self, cell: str) -> None:
        assert number(cell) is None
        assert number(cell, ",") is None
        assert is_missing(cell)

    @pytest.mark.parametrize(
        "cell",
        [
            *("abc", "12,34", "1,2,3", "1.2.3", "1e", "e5", "%", "K", "1_000", "0x10", "٣", "1 2", "12 34"),
            *("inf", "-Infinity", "1e999", "1,0000", "5 USD", "true", "2021-05-14", "1..2", "--5", "1.02\tB"),
        ],
    )
    def test_no_number(self, cell: str) -> None:
        assert number(cell) == "bad"

    @pytest.mark.parametrize(
        ("cell", "value"),
        [("7,79", 7.79), ("7.278,20", 7278.2), ("1.234", 1234), ("1,234", 1.234), ("190,28M", 190.28e6)],
    )  # fmt: skip
    def test_with_a_decimal_comma(self, cell: str, value: float) -> None:
        assert number(cell, ",") == pytest.approx(value, rel=1e-15)

    def test_a_point_is_no_decimal_comma(self) -> None:
        assert number("7.79", ",") == "bad"

    def test_plain_cells_beside_others_keep_their_values(self) -> None:
        read = read_numbers(column("1.5", "x", "$2", "", "3,000", "4M"), ".")
        np.testing.assert_array_equal(read.values, [1.5, np.nan, 2, np.nan, 3000, 4e6])
        assert read.bad.tolist() == [1]

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_whatever_python_writes_is_read_exactly(self, value: float) -> None:
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
        ],
    )
    def test_the_decimal_mark(self, cells: list[str], delimiter: str, mark: str, is_open: bool) -> None:
        found, open_cell = find_decimal(cells, delimiter)
        assert (found, open_cell is not None) == (mark, is_open)


def date(cell: str, **options: Any) -> str:
    """What a cell is read as, in ISO 8601; NaT where it is no date."""
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
        assert read.removesuffix(".123") == iso
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

    def test_offsets_are_told_apart_from_the_time(self) -> None:
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

    def test_the_first_date_that_leaves_it_open_is_told(self) -> None:
        assert read_dates(column("03/03/2021", "03/04/2021", "01/01/2021")).undecided == 1
        assert read_dates(column("03/04/2021", "13/04/2021")).undecided is None

    @given(
        st.datetimes(),
        st.sampled_from(["%Y-%m-%d %H:%M:%S.%f", "%d %B %Y %H:%M:%S.%f", "%Y/%m/%d %H%M%S.%f"]),
    )
    def test_whatever_python_writes_is_read(self, when: Any, form: str) -> None:
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
        *(("Kurs", None), ("AAPL", None), ("", None), ("Höchst", "high")),
    ],
)  # fmt: skip
def test_roles(name: str, role: str | None) -> None:
    assert role_of(name) == role
    assert plain_name(name) == plain_name(name.upper().replace("SS", "ß"))
