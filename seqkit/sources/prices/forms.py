"""How a file lays out its prices: one symbol, many below each other (long), or many side by side (wide)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seqkit.errors import SourceError, did_you_mean
from seqkit.sources.prices import columns
from seqkit.sources.prices.dialect import Dialect
from seqkit.sources.prices.options import Options

_LOOKS_LIKE_TICKER = re.compile(r"[A-Z0-9^][A-Z0-9.^=_/-]*")


@dataclass(frozen=True)
class Group:
    """The columns of one symbol; in a long file, those of all symbols."""

    symbol: str
    """Empty in a long file, where each row names its own."""
    price: int
    others: Mapping[str, int] = field(default_factory=dict)
    """Further columns that can be numbers, by `"open"`, `"high"`, ..., or by their names in the file."""


@dataclass(frozen=True)
class Layout:
    """Which columns of a file are read, and as what."""

    names: tuple[str, ...]
    """Of all columns, as in the header."""
    date: int
    time: int | None
    symbol: int | None
    """The column that names a row's symbol: the file is long."""
    groups: tuple[Group, ...]
    """One, or in a wide file one a symbol."""
    left_out: tuple[str, ...]
    """Columns of text, which are not read."""
    names_symbols: bool
    """Whether the file says what its symbols are called; else its one symbol is called as the file."""


def find_layout(path: Path, dialect: Dialect, options: Options) -> Layout:
    """What a file's columns are.

    Raises:
        SourceError: there is no date or no price, or an option names a column that is not there.
    """
    names, symbols = _names_and_symbols(path, dialect)
    date = _date(path, names, dialect, options)
    time = columns.find_time(names, dialect.sample, date)
    symbol = None
    if options.symbol_column is not None:
        symbol = _called(path, names, options.symbol_column, "symbol_column")
    elif symbols is None:
        symbol = columns.find_named(names, columns.SYMBOL)
    rest = [index for index, name in enumerate(names) if index not in (date, time, symbol) and name]
    text = [index for index in rest if columns.is_text(dialect.sample, index)]
    if options.price is not None:
        # It is read whatever its first cells say: the error is about the cells then.
        asked_for = _called(path, names, options.price, "price")
        text = [index for index in text if index != asked_for]
    numeric = [index for index in rest if index not in text]
    left_out = tuple(names[index] for index in text)
    groups: tuple[Group, ...] = ()
    if symbols is not None:
        groups = _groups_of_levels(path, names, symbols, numeric, options)
    elif symbol is None:
        groups = _wide(path, names, numeric, options)
    names_symbols = symbol is not None or bool(groups)
    if not groups:
        name = "" if symbol is not None else options.only_symbol or path_symbol(path)
        groups = (_group(path, names, numeric, options, name),)
    return Layout(names, date, time, symbol, groups, left_out, names_symbols)


def path_symbol(path: Path) -> str:
    """What a file's symbol is called where the file does not say: the file's name without its endings."""
    return path.name.split(".")[0] or path.name


def _names_and_symbols(path: Path, dialect: Dialect) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The names of the columns, and, where the header has a row for them, their symbols.

    yfinance writes three rows: the fields, the symbols (in this order or the other), the name of the index.
    """
    rows = list(dialect.header)
    if len(rows) == 1:
        return rows[0], None
    index_name = rows.pop()[0] if not any(rows[-1][1:]) else ""
    known = [sum(columns.role_of(cell) is not None for cell in row[1:]) for row in rows]
    if len(rows) > 2 or not any(known):
        raise SourceError(
            f"{path}: the {len(dialect.header)} lines before line {dialect.first_line} are its header, and "
            "which of them names the fields is not clear.\n"
            "  Leave one, with the names of the columns, such as Date,Open,High,Low,Close."
        )
    fields = rows.pop(known.index(max(known)))
    # The first cell names the levels ("Price", "Ticker"), not the column below it.
    names = (index_name or "Date", *fields[1:])
    return names, rows[0] if rows else None


def _date(path: Path, names: Sequence[str], dialect: Dialect, options: Options) -> int:
    if options.date is not None:
        return _called(path, names, options.date, "date")
    date = columns.find_date(names, dialect.sample)
    if date is None:
        raise SourceError(
            f"{path}: no date column in {_listed(names)}.\n"
            f'  Pass the one that holds the dates, as in date="{names[0]}", and date_format if it is unusual.'
        )
    return date


def _group(path: Path, names: Sequence[str], indices: Sequence[int], options: Options, symbol: str) -> Group:
    """The price among some columns, and the others by what they are."""
    own = [names[index] for index in indices]
    if options.price is not None:
        price = indices[_called(path, own, options.price, "price")]
    else:
        found = columns.find_role(own, "adj_close")
        found = columns.find_role(own, "close") if found is None else found
        if found is None:
            fix = "and none that holds numbers"
            if own:
                fix = f'pass price="{own[0]}"' + (f", or another of {_listed(own)}" if own[1:] else "")
            raise SourceError(f"{path}: no price column in {_listed(names)}; {fix}.")
        price = indices[found]
    _check_unique(path, own, names[price])
    others: dict[str, int] = {}
    for index in indices:
        role = columns.role_of(names[index])
        # Of two columns of one role, the one with the better name has it.
        best = role is not None and columns.find_role(own, role) == indices.index(index)
        others.setdefault(role if role and best else names[index], index)
    return Group(symbol, price, {name: index for name, index in others.items() if index != price})


def _groups_of_levels(
    path: Path, names: Sequence[str], symbols: Sequence[str], numeric: Sequence[int], options: Options
) -> tuple[Group, ...]:
    by_symbol: dict[str, list[int]] = {}
    for index in numeric:
        by_symbol.setdefault(symbols[index], []).append(index)
    return tuple(
        _group(path, names, indices, options, symbol or options.only_symbol or path_symbol(path))
        for symbol, indices in by_symbol.items()
    )


def _wide(path: Path, names: Sequence[str], numeric: Sequence[int], options: Options) -> tuple[Group, ...]:
    """One column a symbol: where their names are not those that prices, volumes and the like are known by.

    A single column is a symbol where its name looks like one: `Date,DCOILWTICO`, but not `Datum,Kurs`.
    """
    roles = [columns.role_of(names[index]) for index in numeric]
    # Among many symbols one may be called LOW or OPEN.
    known = sum(role is not None for role in roles)
    if options.price is not None or {"close", "adj_close"} & set(roles) or 2 * known >= max(len(roles), 1):
        return ()
    if len(numeric) == 1 and not _LOOKS_LIKE_TICKER.fullmatch(names[numeric[0]]):
        return ()
    for index in numeric:
        _check_unique(path, names, names[index])
    return tuple(Group(names[index], index) for index in numeric)


def _check_unique(path: Path, names: Sequence[str], name: str) -> None:
    if list(names).count(name) > 1:
        raise SourceError(
            f"{path}: {list(names).count(name)} columns are called {name!r}.\n"
            "  Give each a name of its own in the header."
        )


def _called(path: Path, names: Sequence[str], wanted: str, option: str) -> int:
    """The column that an option names, as in the header or in any spelling of it."""
    if wanted in names:
        return list(names).index(wanted)
    plain = [columns.plain_name(name) for name in names]
    if columns.plain_name(wanted) in plain:
        return plain.index(columns.plain_name(wanted))
    raise SourceError(
        f"{path} has no column {wanted!r} ({option}).{did_you_mean(wanted, names)}\n"
        f"  Its columns: {_listed(names)}."
    )


def _listed(names: Sequence[str]) -> str:
    shown = [name or "(unnamed)" for name in names[:12]]
    return f"[{', '.join(shown)}{', ...' if len(names) > 12 else ''}]"
