"""Read cells as numbers: `$191.38`, `1,234,567`, `1,00,460.00`, `R$ 122,64`, `190.28M`, `-0.5%`, `N/A`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seqkit.sources.prices.currencies import SIGNS, WORDS
from seqkit.sources.prices.options import Decimal
from seqkit.sources.prices.records import Texts

MISSING = ("", "-", "--", ".", "n/a", "#n/a", "n.a.", "na", "nan", "nil", "none", "null")
"""Cells without a number, in lower case."""
SUFFIXES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "%": 1e-2}
GROUPING = " \u00a0\u202f'’"
"""Thousands separators, in addition to the comma (or the point, if the comma is the decimal mark)."""

_SPACES = " \t\u00a0\u202f"
_THOUSANDS = r"\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}"
"""1,004,600 as in most countries, or 10,04,600 as in India, in lakh and crore."""
_NUMBER = (
    rf"[+-]?(?:\d+|{_THOUSANDS}|\d{{1,3}}(?:[{GROUPING}]\d{{3}})+)?(?:\.\d*)?"
    rf"(?:[eE][+-]?\d+)? ?[{''.join(SUFFIXES)}{''.join(SUFFIXES).lower()}]?"
)
_GROUPED = re.compile(_THOUSANDS)
_CURRENCY = rf"(?:{'|'.join(map(re.escape, WORDS))}|[{re.escape(SIGNS)}])"
_MONEY = (
    rf"(?i)^(?P<sign>[+−-]?)[{_SPACES}]*(?:{_CURRENCY}[{_SPACES}]*)?(?P<rest>[+−-]?[\d.,].*?)"
    rf"(?:[{_SPACES}]*{_CURRENCY})?$"
)
"""A number with a currency before or after it, which is not part of `sign` or `rest`."""
_COMPILED_MONEY = re.compile(_MONEY)
_LOOKS_LIKE_NUMBER = re.compile(
    rf"[\s+−-]*(?P<digits>[.,]?\d[\d.,{GROUPING}]*)(?:[eE][+-]?\d+)?[%KMBT\s]*", re.IGNORECASE
)


class Numbers(NamedTuple):
    """A column as numbers."""

    values: NDArray[np.float64]
    """`(rows,)`; NaN if the number is missing or bad."""
    bad: NDArray[np.intp]
    """Rows whose cells are neither a number nor marked as missing."""


def read_numbers(texts: Texts, decimal: Decimal) -> Numbers:
    """A column of cells as numbers: `5%` is 0.05, `2K` is 2000."""
    # From fast to thorough: most columns are plain, and are read in the first pass. If the comma is the
    # decimal mark, the marks must be swapped before any pass that would read a point as decimal mark.
    plain = (_as_is, _trimmed, _without_missing) if decimal == "." else (_with_marks_swapped,)
    money = (_without_currency,) if decimal == "." else ()
    for simplify in (*plain, *money, _without_thousands):
        texts = simplify(texts)
        values = _cast(texts)
        if values is not None:
            return Numbers(values, np.empty(0, np.intp))
    return _thorough(texts)


def is_missing(cell: str) -> bool:
    """Whether a cell is empty or marked as missing."""
    return cell.strip(_SPACES + SIGNS).lower() in MISSING


def is_number(cell: str) -> bool:
    """Whether a cell can be a number, with either decimal mark."""
    return _LOOKS_LIKE_NUMBER.fullmatch(_bare(cell)) is not None


def find_decimal(cells: Iterable[str], delimiter: str) -> tuple[Decimal, str | None]:
    """The decimal mark of a file and, if no cell decides it, an ambiguous cell."""
    votes = {".": 0, ",": 0}
    open_cell = None
    for cell in cells:
        mark = _decimal_of(cell)
        if mark in votes:
            votes[mark] += 1
        elif mark == "?" and open_cell is None:
            open_cell = cell.strip()
    if any(votes.values()):
        return ("," if votes[","] > votes["."] else "."), None
    # "1,234": a file has semicolons as delimiters because the comma is its decimal mark.
    return ("," if delimiter == ";" and open_cell and "," in open_cell else "."), open_cell


def _decimal_of(cell: str) -> str | None:
    """The decimal mark that a cell must have; `"?"` if it can be either; None if it has no mark."""
    found = _LOOKS_LIKE_NUMBER.fullmatch(_bare(cell))
    if not found:
        return None
    digits = found["digits"].rstrip(GROUPING)  # "1,005 ": a space at the end separates nothing
    marks = [character for character in digits if character in ".,"]
    if not marks:
        return None
    if len(set(marks)) == 2:
        return marks[-1] if marks.count(marks[-1]) == 1 else None
    groups = digits.split(marks[0])
    if len(marks) > 1:
        grouped = _GROUPED.fullmatch(digits.replace(marks[0], ","))
        return {".": ",", ",": "."}[marks[0]] if grouped else None
    # With a thousands separator, there are one to three digits without a leading zero, and then three.
    open_ = len(groups[1]) == 3 and 1 <= len(groups[0]) <= 3 and not groups[0].startswith("0")
    return "?" if open_ else marks[0]


def _bare(cell: str) -> str:
    """A cell without surrounding spaces and without a currency."""
    cell = cell.strip(_SPACES)
    found = _COMPILED_MONEY.match(cell)
    return found["sign"] + found["rest"] if found else cell


def _as_is(texts: Texts) -> Texts:
    return texts


def _trimmed(texts: Texts) -> Texts:
    return pc.utf8_trim(texts, _SPACES + SIGNS)


def _without_missing(texts: Texts) -> Texts:
    missing = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(MISSING))
    return pc.if_else(missing, pa.scalar(None, pa.string()), texts)


def _without_thousands(texts: Texts) -> Texts:
    grouped = pc.match_substring_regex(texts, rf"^[+-]?(?:{_THOUSANDS})(\.\d*)?$")
    return pc.if_else(grouped, pc.replace_substring(texts, ",", ""), texts)


def _without_currency(texts: Texts) -> Texts:
    return pc.replace_substring_regex(texts, _MONEY, r"\1\2")


def _with_marks_swapped(texts: Texts) -> Texts:
    texts = _without_currency(_without_missing(_trimmed(texts)))
    if pc.any(pc.match_substring(texts, ".")).as_py():
        texts = pc.replace_substring(texts, ".", "\0")
    return pc.replace_substring(pc.replace_substring(texts, ",", "."), "\0", ",")


def _cast(texts: Texts) -> NDArray[np.float64] | None:
    """The numbers, null as NaN; None if pyarrow cannot read one, or reads one as infinite or NaN."""
    try:
        numbers = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    values = np.asarray(numbers.to_numpy(), np.float64)
    finite = np.count_nonzero(np.isfinite(values))
    return values if finite + numbers.null_count == len(values) else None


def _thorough(texts: Texts) -> Numbers:
    """Read numbers with thousands separators and suffixes, and find the cells that are not numbers."""
    texts = pc.replace_substring(texts, "\u2212", "-")
    texts = pc.replace_substring_regex(texts, rf"^([+-])[{_SPACES}]+", r"\1")
    good = pc.and_(
        pc.match_substring_regex(texts, rf"^{_NUMBER}$"), pc.match_substring_regex(texts, r"^[^eE]*\d")
    )
    bad = pc.fill_null(pc.invert(good), False).to_numpy()
    texts = pc.if_else(good, texts, pa.scalar(None, pa.string()))
    suffix = pc.utf8_upper(pc.utf8_slice_codeunits(texts, -1))
    which = pc.index_in(suffix, value_set=pa.array(list(SUFFIXES))).to_numpy()
    factors = np.ones(len(which))
    for index, factor in enumerate(SUFFIXES.values()):
        factors[which == index] = factor
    plain = pc.utf8_rtrim(texts, "".join(SUFFIXES) + "".join(SUFFIXES).lower() + " ")
    plain = pc.replace_substring_regex(plain, f"[,{GROUPING}]", "")
    values = plain.cast(pa.float64()).to_numpy() * factors
    # A number too large for a float (1e999) cannot be a price either.
    infinite = np.isinf(values)
    values[infinite] = np.nan
    return Numbers(values, np.flatnonzero(bad | infinite))
