"""Which column is what: the date, the symbol, the price, and what else stands beside it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from seqkit.sources.prices.calendar import looks_like_date
from seqkit.sources.prices.clock import read_time
from seqkit.sources.prices.numbers import is_missing, is_number

DATE = (
    "date datetime timestamp time opentime datum data tag zeit fecha day dt tradedate tradingdate "
    "tradedatetime observationdate gmttime localtime unix unixtime unixtimestamp"
)
TIME = "time zeit uhrzeit hour"
SYMBOL = (
    "symbol ticker tickersymbol tic stock code isin wkn instrument security securityid permno asset "
    "pair name company"
)
"""The names of such columns, the better ones first; see `plain_name`."""

ROLES = {
    "open": "open openprice openingprice erster eroffnung eroffnungskurs otwarcie",
    "high": "high highprice hoch hochst tageshoch najwyzszy",
    "low": "low lowprice tief tiefst tagestief najnizszy",
    "close": "close closelast closingprice closeprice schlusskurs schluss settle settlement "
    "settlementprice last lastprice price pxlast zuletzt zamkniecie",
    "adj_close": "adjclose adjustedclose closeadj closeadjusted adjclosingprice adjustedclosingprice "
    "adjcloseprice adjustedprice adjprice",
    "volume": "volume vol stuecke stucke totalvolume sharevolume sharestraded volumen umsatz wolumen",
    "change": "change changepercent pctchange percentchange chg netchange",
}
"""What a column can be, and its names, the better ones first; see `plain_name`."""
_ROLE_OF = {name: role for role, names in ROLES.items() for name in names.split()}


def plain_name(name: str) -> str:
    """A header cell without what brokers vary: `"<CLOSE>"`, `" Close*"`, `"4. close (USD)"` are `"close"`."""
    name = re.sub(r"\(.*?\)|^\s*\d+\.", "", name)
    letters = unicodedata.normalize("NFKD", name.replace("ß", "ss").casefold())
    return "".join(character for character in letters if character.isalnum())


def role_of(name: str) -> str | None:
    """`"open"`, `"high"`, `"low"`, `"close"`, `"adj_close"`, `"volume"`, `"change"`, or None."""
    return _ROLE_OF.get(plain_name(name))


def find_role(names: Sequence[str], role: str) -> int | None:
    """The column of a role, by the best of its names."""
    return find_named(names, ROLES[role])


def find_named(names: Sequence[str], known: str) -> int | None:
    """The column that has the earliest of the known names."""
    plain = [plain_name(name) for name in names]
    return next((plain.index(name) for name in known.split() if name in plain), None)


def find_date(names: Sequence[str], sample: Sequence[Sequence[str]]) -> int | None:
    """The column of the dates: one that is called so, else the first that is full of dates."""
    plain = [plain_name(name) for name in names]
    called = [plain.index(name) for name in DATE.split() if name in plain]
    for index in called:
        if _is_full_of_dates(sample, index, digits=True):
            return index
    for index in range(len(names)):
        if _is_full_of_dates(sample, index, digits=False):
            return index
    # A name is enough where the cells say nothing that is known: the error is about the cells then.
    return called[0] if called else None


def find_time(names: Sequence[str], sample: Sequence[Sequence[str]], date: int) -> int | None:
    """The column with the time of the day, where it stands apart from the date."""
    if any(":" in row[date] for row in sample):
        return None
    for index, name in enumerate(names):
        cells = [row[index] for row in sample if row[index].strip()]
        if index == date or plain_name(name) not in TIME.split() or not cells:
            continue
        if all(read_time(cell.strip()) is not None for cell in cells):
            return index
    return None


def is_text(sample: Sequence[Sequence[str]], index: int) -> bool:
    """Whether a column's first cells say something, and none of them is a number."""
    cells = [row[index] for row in sample if not is_missing(row[index])]
    return bool(cells) and not any(is_number(cell) for cell in cells)


def _is_full_of_dates(sample: Sequence[Sequence[str]], index: int, digits: bool) -> bool:
    cells = [row[index] for row in sample if row[index].strip()]
    good = sum(looks_like_date(cell, digits) for cell in cells)
    return good > len(cells) / 2
