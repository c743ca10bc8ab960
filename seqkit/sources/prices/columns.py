"""Find the roles of columns: the date, the symbol, the price and others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from seqkit.sources.prices import words
from seqkit.sources.prices.calendar import looks_like_date
from seqkit.sources.prices.clock import read_time_or_hour
from seqkit.sources.prices.numbers import is_missing, is_number, read_numbers
from seqkit.sources.prices.options import Decimal

_ENOUGH = 5
"""Minimum number of rows in which columns must keep an order: fewer could do so by chance."""
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_LETTERS = str.maketrans({"ß": "ss", "ı": "i", "ł": "l"})
"""Letters that Unicode does not decompose into a letter and an accent."""


def plain_name(name: str) -> str:
    """A header cell in a normal form: `"<CLOSE>"`, `" Close*"`, `"4. close (USD)"` are all `"close"`.

    Accents are removed. If a name has no letter or digit (`"+/- %"`), only its spaces are removed.
    """
    name = re.sub(r"\(.*?\)|^\s*\d+\.(?!\d)", "", name)
    letters = unicodedata.normalize("NFKD", name.casefold()).translate(_LETTERS)
    plain = "".join(character for character in letters if character.isalnum())
    return plain or "".join(name.split())


def _plain_words(*tables: Mapping[str, str]) -> tuple[str, ...]:
    """The words of tables in normal form, without duplicates, the better ones first."""
    return tuple(dict.fromkeys(plain for table in tables for plain in _each_plain(table)))


def _each_plain(table: Mapping[str, str]) -> Iterator[str]:
    for line in table.values():
        for word in line.split("|"):
            yield plain_name(word)
            yield plain_name(word.casefold().translate(_UMLAUTS))


DATE = _plain_words(words.DATE)
TIME = _plain_words(words.TIME)
SYMBOL = _plain_words(words.SYMBOL)
ROLES = {
    "open": _plain_words(words.OPEN),
    "high": _plain_words(words.HIGH),
    "low": _plain_words(words.LOW),
    "close": _plain_words(words.CLOSE, words.SETTLEMENT, words.LAST, words.PRICE),
    "adj_close": _plain_words(words.ADJUSTED_CLOSE),
    "volume": _plain_words(words.VOLUME),
    "change": _plain_words(words.CHANGE),
}
"""Roles of a column, and the names for each, the better ones first; see `plain_name`."""
_ROLE_OF = {name: role for role, names in ROLES.items() for name in names}


def role_of(name: str) -> str | None:
    """`"open"`, `"high"`, `"low"`, `"close"`, `"adj_close"`, `"volume"`, `"change"`, or None."""
    return _ROLE_OF.get(plain_name(name))


def find_role(names: Sequence[str], role: str) -> int | None:
    """The column with the best name for a role."""
    return find_named(names, ROLES[role])


def find_named(names: Sequence[str], known: Sequence[str]) -> int | None:
    """The column that has the earliest of the known names."""
    plain = [plain_name(name) for name in names]
    return next((plain.index(name) for name in known if name in plain), None)


def find_date(names: Sequence[str], sample: Sequence[Sequence[str]]) -> int | None:
    """The date column: one with a matching name, else the first whose cells are mostly dates."""
    plain = [plain_name(name) for name in names]
    called = [plain.index(name) for name in DATE if name in plain]
    for index in called:
        if _is_full_of_dates(sample, index, digits=True):
            return index
    for index in range(len(names)):
        if _is_full_of_dates(sample, index, digits=False):
            return index
    # Without known dates in the cells, the name is enough: the error is then about the cells.
    return called[0] if called else None


def find_time(names: Sequence[str], sample: Sequence[Sequence[str]], date: int) -> int | None:
    """The column with the time or the hour of day, unless the date column has the time."""
    if any(":" in row[date] for row in sample):
        return None
    for index, name in enumerate(names):
        cells = [row[index] for row in sample if row[index].strip()]
        if index == date or plain_name(name) not in TIME or not cells:
            continue
        if all(read_time_or_hour(cell.strip()) is not None for cell in cells):
            return index
    return None


def is_text(sample: Sequence[Sequence[str]], index: int) -> bool:
    """Whether some of a column's first cells have content, and none of them is a number."""
    cells = [row[index] for row in sample if not is_missing(row[index])]
    return bool(cells) and not any(is_number(cell) for cell in cells)


def is_percent(sample: Sequence[Sequence[str]], index: int) -> bool:
    """Whether a column's first cells are percentages."""
    cells = [row[index].strip() for row in sample if not is_missing(row[index])]
    return bool(cells) and all(cell.endswith("%") for cell in cells)


def look_like_one_symbol(sample: Sequence[Sequence[str]], indices: Sequence[int], decimal: Decimal) -> bool:
    """Whether some columns are the open, high, low and close of one symbol, regardless of their names.

    They are if, in every row, one column is the highest of four or more and another the lowest, and their
    values are within a third of each other. Prices of several symbols cross, or differ in size.
    """
    if len(indices) < 4 or len(sample) < _ENOUGH:
        return False
    texts = [pa.chunked_array([pa.array([row[index] for row in sample])]) for index in indices]
    values = np.column_stack([read_numbers(column, decimal).values for column in texts])
    for price in values.T:
        near = values[:, np.all(np.abs(values - price[:, None]) < np.abs(price[:, None]) / 3, axis=0)]
        if near.shape[1] >= 4:
            highest = np.all(near == near.max(1, keepdims=True), axis=0)
            lowest = np.all(near == near.min(1, keepdims=True), axis=0)
            if highest.any() and lowest.any() and not highest.all():
                return True
    return False


def _is_full_of_dates(sample: Sequence[Sequence[str]], index: int, digits: bool) -> bool:
    cells = [row[index] for row in sample if row[index].strip()]
    good = sum(looks_like_date(cell, digits) for cell in cells)
    return good > len(cells) / 2
