"""The layout of a file: one symbol, many below each other (long), or many side by side (wide)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from seqkit.errors import SourceError, did_you_mean
from seqkit.sources.prices import columns
from seqkit.sources.prices.calendar import looks_like_date
from seqkit.sources.prices.dialect import Dialect
from seqkit.sources.prices.options import Options

_LOOKS_LIKE_TICKER = re.compile(r"[A-Z0-9^][A-Z0-9.^=_/-]*")
_TICKERS = ("LOW", "OPEN")
"""Stock symbols that are also names of columns."""


@dataclass(frozen=True)
class Group:
    """The columns of one symbol; in a long file, those of all symbols."""

    symbol: str
    """Empty in a long file, where each row names its symbol."""
    price: int
    others: Mapping[str, int] = field(default_factory=dict)
    """Further columns that can hold numbers, by `"open"`, `"high"`, ..., or by their names in the file."""


@dataclass(frozen=True)
class Layout:
    """Which columns of a file are read, and as what."""

    names: tuple[str, ...]
    """Names of all columns, as in the header."""
    date: int
    time: int | None
    symbol: int | None
    """The column with the symbol of each row, in a long file."""
    groups: tuple[Group, ...]
    """One group, or in a wide file one per symbol."""
    left_out: tuple[str, ...]
    """Text columns, which are not read."""
    names_symbols: bool
    """Whether the file names its symbols; otherwise it has one symbol, with the name of the file."""


def find_layout(path: Path, dialect: Dialect, options: Options) -> Layout:
    """Find the roles of a file's columns.

    Raises:
        SourceError: there is no date or no price, or an option names a missing column.
    """
    names, symbols = _names_and_symbols(path, dialect)
    date = _date(path, names, dialect, options)
    # A footer must not influence the roles of the columns.
    dated = tuple(row for row in dialect.sample if looks_like_date(row[date], digits=True))
    dialect = replace(dialect, sample=dated or dialect.sample)
    time = columns.find_time(names, dialect.sample, date)
    symbol = None
    if options.symbol_column is not None:
        symbol = _called(path, names, options, "symbol_column")
    elif symbols is None:
        symbol = columns.find_named(names, columns.SYMBOL)
    rest = [index for index, name in enumerate(names) if index not in (date, time, symbol) and name]
    text = [index for index in rest if columns.is_text(dialect.sample, index)]
    if options.price is not None:
        # It is read even if its first cells are text: the error is then about the cells.
        requested = _called(path, names, options, "price")
        text = [index for index in text if index != requested]
    numeric = [index for index in rest if index not in text]
    left_out = tuple(names[index] for index in text)
    groups: tuple[Group, ...] = ()
    if symbols is not None:
        groups = _groups_of_levels(path, names, symbols, numeric, dialect, options)
    elif symbol is None:
        groups = _wide(path, names, numeric, dialect, options)
    names_symbols = symbol is not None or bool(groups)
    if not groups:
        name = "" if symbol is not None else options.only_symbol or path_symbol(path)
        groups = (_group(path, names, numeric, dialect, options, name),)
    return Layout(names, date, time, symbol, groups, left_out, names_symbols)


def path_symbol(path: Path) -> str:
    """The symbol of a file that names none: the file's name without extensions."""
    return path.name.split(".")[0] or path.name


def _names_and_symbols(path: Path, dialect: Dialect) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The names of the columns and, if the header has a row for them, their symbols.

    yfinance writes three rows: the fields and the symbols (in either order), and the name of the index.
    """
    rows = list(dialect.header)
    if len(rows) == 1:
        return rows[0], None
    index_name = rows.pop()[0] if not any(rows[-1][1:]) else ""
    known = [sum(columns.role_of(cell) is not None for cell in row[1:]) for row in rows]
    if len(rows) > 2 or not any(known):
        raise SourceError(
            f"{path}: the {len(dialect.header)} lines before line {dialect.first_line} are the header, but "
            "it is not clear which of them has the names of the columns.\n"
            "  Keep only that line, such as Date,Open,High,Low,Close."
        )
    fields = rows.pop(known.index(max(known)))
    # The first cell names the levels ("Price", "Ticker"), not the column below it.
    names = (index_name or "Date", *fields[1:])
    return names, rows[0] if rows else None


def _date(path: Path, names: Sequence[str], dialect: Dialect, options: Options) -> int:
    if options.date is not None:
        return _called(path, names, options, "date")
    date = columns.find_date(names, dialect.sample)
    if date is None:
        raise SourceError(
            f"{path}: no date column in {_listed(names)}.\n"
            f"  Pass the column with the dates, for example {options.spell('date', names[0])}, and "
            f"{options.spell('date_format')} if their format is unusual."
        )
    return date


def _group(
    path: Path,
    names: Sequence[str],
    indices: Sequence[int],
    dialect: Dialect,
    options: Options,
    symbol: str,
) -> Group:
    """The price among some columns, and the others by their roles."""
    own = [names[index] for index in indices]
    likely = [names[index] for index in _likely_prices(names, indices, dialect)]
    if options.price is not None:
        price = indices[_called(path, own, options, "price")]
        if likely and names[price] not in likely and _is_change(names, price, dialect):
            raise SourceError(
                f"{path}: column {names[price]!r} has changes or percentages, not prices.\n"
                f"  Choose a column with prices: {_choices(likely, options)}."
            )
    else:
        found = columns.find_role(own, "adj_close")
        found = columns.find_role(own, "close") if found is None else found
        if found is None:
            likely = likely or [names[index] for index in indices if not _is_change(names, index, dialect)]
            fix = f"pass {_choices(likely, options)}" if likely else "none of them can be prices"
            raise SourceError(f"{path}: no price column in {_listed(names)}; {fix}.")
        price = indices[found]
    _check_unique(path, own, names[price])
    others: dict[str, int] = {}
    for index in indices:
        role = columns.role_of(names[index])
        # If two columns have the same role, the one with the better name gets it.
        best = role is not None and columns.find_role(own, role) == indices.index(index)
        others.setdefault(role if role and best else names[index], index)
    return Group(symbol, price, {name: index for name, index in others.items() if index != price})


def _likely_prices(names: Sequence[str], indices: Sequence[int], dialect: Dialect) -> list[int]:
    """Columns that can be prices, the most likely first: unknown names before open, high and low."""
    ranks = {"adj_close": 0, "close": 1, None: 2, "open": 3, "high": 4, "low": 5}
    roles = {index: columns.role_of(names[index]) for index in indices}
    likely = [
        index
        for index, role in roles.items()
        # An interest rate in percent is a price if its column has the name of a price.
        if role in ranks and (role in ("adj_close", "close") or not _is_change(names, index, dialect))
    ]
    return sorted(likely, key=lambda index: ranks[roles[index]])


def _is_change(names: Sequence[str], index: int, dialect: Dialect) -> bool:
    return columns.role_of(names[index]) == "change" or columns.is_percent(dialect.sample, index)


def _choices(likely: Sequence[str], options: Options) -> str:
    others = f", or another of {_listed(likely)}" if likely[1:] else ""
    return options.spell("price", likely[0]) + others


def _groups_of_levels(
    path: Path,
    names: Sequence[str],
    symbols: Sequence[str],
    numeric: Sequence[int],
    dialect: Dialect,
    options: Options,
) -> tuple[Group, ...]:
    by_symbol: dict[str, list[int]] = {}
    for index in numeric:
        by_symbol.setdefault(symbols[index], []).append(index)
    return tuple(
        _group(path, names, indices, dialect, options, symbol or options.only_symbol or path_symbol(path))
        for symbol, indices in by_symbol.items()
    )


def _wide(
    path: Path, names: Sequence[str], numeric: Sequence[int], dialect: Dialect, options: Options
) -> tuple[Group, ...]:
    """One column per symbol, unless a column has a known name, such as that of a price or a volume.

    Next to a known name, unknown names are words of another language, not symbols. Only LOW and OPEN among
    other symbols count as symbols.
    A single column is a symbol if its name looks like one: `Date,DCOILWTICO`, but not `Datum,Wert`.
    """
    if options.price is not None:
        return ()
    known = [names[index] for index in numeric if columns.role_of(names[index]) is not None]
    are_tickers = all(_LOOKS_LIKE_TICKER.fullmatch(names[index]) for index in numeric)
    if known and not (are_tickers and set(known) <= set(_TICKERS) and 2 * len(known) < len(numeric)):
        return ()
    if any(columns.is_percent(dialect.sample, index) for index in numeric):
        return ()
    if not are_tickers and columns.look_like_one_symbol(dialect.sample, numeric, dialect.decimal):
        return ()
    if not numeric or (len(numeric) == 1 and not are_tickers):
        return ()
    for index in numeric:
        _check_unique(path, names, names[index])
    return tuple(Group(names[index], index) for index in numeric)


def _check_unique(path: Path, names: Sequence[str], name: str) -> None:
    if list(names).count(name) > 1:
        raise SourceError(
            f"{path}: {list(names).count(name)} columns are called {name!r}.\n"
            "  Give each a different name in the header."
        )


def _called(path: Path, names: Sequence[str], options: Options, option: str) -> int:
    """The column that an option names, in exactly the spelling of the header or in a similar one."""
    wanted: str = getattr(options, option)
    if wanted in names:
        return list(names).index(wanted)
    plain = [columns.plain_name(name) for name in names]
    if columns.plain_name(wanted) in plain:
        return plain.index(columns.plain_name(wanted))
    raise SourceError(
        f"{path} has no column {wanted!r} ({options.spell(option)}).{did_you_mean(wanted, names)}\n"
        f"  Its columns: {_listed(names)}."
    )


def _listed(names: Sequence[str]) -> str:
    shown = [name or "(unnamed)" for name in names[:12]]
    return f"[{', '.join(shown)}{', ...' if len(names) > 12 else ''}]"
