"""Report what users should know about readable prices: splits, moves, gaps, dates out of order."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seqkit.sources.prices.blocks import Block
from seqkit.sources.prices.columns import role_of
from seqkit.sources.prices.content import Content
from seqkit.sources.prices.dates import are_in_order, shown
from seqkit.sources.prices.dialect import Dialect
from seqkit.sources.prices.findings import and_more, at_lines, count, shown_number
from seqkit.sources.prices.forms import Layout
from seqkit.sources.prices.notes import Notes, Rows
from seqkit.sources.prices.options import Options
from seqkit.sources.prices.selection import Selection

SPLIT_LOG_FACTOR = 0.2
"""Minimum log factor between Close and Adj Close in one step: 5 for 4 is 0.22, dividends are far less."""

LARGE_FACTOR = 5.0
"""Factor from which a move between two rows is a warning: a split, pence for pounds, or a typing error."""


def report_price(layout: Layout, notes: Notes) -> None:
    """Report which column is the price, and whether it is adjusted."""
    group = layout.groups[0]
    name = layout.names[group.price]
    if len(layout.groups) > 1 and layout.names[layout.groups[1].price] != name:
        notes.report("info", "price-column", "each column has the prices of the symbol in its name")
        return
    what = {"adj_close": " (the adjusted close)", "close": " (the close)"}.get(role_of(name) or "", "")
    notes.report("info", "price-column", f"the price is column {name!r}{what}")
    if role_of(name) != "adj_close" and "adj_close" not in group.others:
        notes.report(
            "info",
            "not-adjusted",
            "there is no adjusted close: the prices may not be adjusted for splits and dividends",
        )


def report_missing(blocks: Sequence[Block], notes: Notes) -> None:
    """Report the rows that have a date and no price."""
    without = [block for block in blocks if block.missing.size]
    if not without:
        return
    rows = np.unique(np.concatenate([block.missing for block in without]))
    if len(blocks) == 1:
        says = "{rows} without a price: left out"
    else:
        each = [f"{block.selection.group.symbol} in {count(block.missing.size, 'row')}" for block in without]
        says = f"there is no price for {and_more(each)}"
    notes.report_rows("warning", "missing-price", rows, says)


def report_splits(block: Block, layout: Layout, notes: Notes) -> None:
    """Report steps in which the close and the adjusted close differ by more than a dividend.

    The move of a price alone proves nothing: AAPL fell by half on 2000-09-29, without a split.
    """
    price_role = role_of(layout.names[block.selection.group.price])
    known = {**block.columns, price_role or "": block.prices}
    if not {"close", "adj_close"} <= set(known):
        return
    close, adjusted = known["close"], known["adj_close"]
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.diff(np.log(adjusted / close))
        apart = block.follows & (np.abs(step) > SPLIT_LOG_FACTOR)
    places = np.flatnonzero(apart) + 1
    if places.size:
        first = places[np.argmin(block.rows[places])]
        factors = [column[first] / column[first - 1] for column in (close, adjusted)]
        notes.report_rows(
            "warning",
            "likely-split",
            np.sort(block.rows[places]),
            f"a likely split that the close is not adjusted for: on {shown(block.when[first])} the close "
            f"changes by a factor of {factors[0]:.3g}, the adjusted close by {factors[1]:.3g}",
        )


def report_move(blocks: Sequence[Block], layout: Layout, notes: Notes) -> None:
    """Report the largest move of a price from one row to the next."""
    largest, where = 0.0, None
    for block in blocks:
        if len(block.prices) > 1:
            moves = np.where(block.follows, np.abs(np.diff(np.log(block.prices))), 0)
            place = int(np.argmax(moves))
            if moves[place] > largest:
                largest, where = float(moves[place]), (block, place)
    if where is None:
        return
    block, place = where
    before, after = (float(price) for price in block.prices[[place, place + 1]])
    ratio = after / before
    if ratio < 1:
        move = f"a fall of {_percent(1 - ratio)}"
    else:
        move = f"a rise of {_percent(ratio - 1)}" if ratio < 2 else f"a rise by a factor of {ratio:,.3g}"
    who = _whose(block, place, blocks)
    column = layout.names[block.selection.group.price]
    is_large = largest >= np.log(LARGE_FACTOR)
    doubt = "an unadjusted split, a different unit or a typing error is likely: " if is_large else ""
    notes.report_rows(
        "warning" if is_large else "info",
        "largest-move",
        block.rows[[place + 1]],
        f"{doubt}the largest move of {column!r}{who} from one row to the next is {move} on "
        f"{shown(block.when[place + 1])}, from {shown_number(before)} to {shown_number(after)}",
    )


def report_order(
    when: NDArray[np.datetime64], rows: Rows, symbols: NDArray[np.int32] | None, notes: Notes
) -> None:
    """Report rows that are neither in ascending nor in descending order of date.

    Args:
        when: the dates of all rows of the file, `(rows of the file,)`.
        rows: the rows that are read, in the order of the file.
        symbols: the symbol of each row, `(rows of the file,)`; None if all rows have the same.
    """
    which = None if symbols is None else symbols[rows]
    if are_in_order(when[rows], which):
        return
    place = np.arange(len(rows)) if which is None else np.argsort(which, kind="stable")
    steps = np.diff(when[rows[place]]).astype(np.int64)
    if which is not None:
        steps[which[place][1:] != which[place][:-1]] = 0
    # The rows of the rarer direction are reported as out of order.
    against = steps < 0 if np.count_nonzero(steps < 0) <= np.count_nonzero(steps > 0) else steps > 0
    notes.report_rows(
        "warning",
        "mixed-order",
        np.sort(rows[place][1:][against]),
        "the rows are in neither ascending nor descending order of date, and were sorted; out of order: "
        "{rows}",
    )


def report_future(when: NDArray[np.datetime64], rows: Rows, notes: Notes) -> None:
    """Report rows with a date in the future."""
    # In some time zones it is already tomorrow.
    tomorrow = np.datetime64(datetime.date.today()) + np.timedelta64(1, "D")
    later = rows[when[rows].astype("datetime64[D]") > tomorrow]
    if later.size:
        notes.report_rows(
            "warning",
            "future",
            later,
            f"{{rows}} with a date in the future, the first {shown(when[later[0]])}",
        )


def report_gap(blocks: Sequence[Block], notes: Notes) -> None:
    """Report the longest time without a row; nothing is filled in."""
    longest, where = np.timedelta64(0, "us"), None
    for block in blocks:
        if len(block.when) > 1:
            steps = np.where(block.follows, np.diff(block.when), np.timedelta64(0, "us"))
            place = int(np.argmax(steps))
            if steps[place] > longest:
                longest, where = steps[place], (block, place)
    if where is None:
        return
    block, place = where
    between = " and ".join(shown(block.when[at]) for at in (place, place + 1))
    notes.report_rows(
        "info",
        "longest-gap",
        block.rows[[place + 1]],
        f"the longest gap is {_length(longest)}: no row{_whose(block, place, blocks)} between {between}",
    )


def _whose(block: Block, place: int, blocks: Sequence[Block]) -> str:
    """`" of AAPL"`, if there are several symbols."""
    several = len(blocks) > 1 or len(block.selection.symbols) > 1
    return f" of {block.selection.symbols[block.codes[place]]}" if several else ""


def _percent(share: float) -> str:
    # A price never falls by 100 %.
    return f"{100 * share:.2g} %" if share < 0.99 else f"{100 * share:.6g} %"


def _length(time: np.timedelta64) -> str:
    """`"3 days"`, `"1,826.5 days"`, `"1 hour"`."""
    for unit, code in (("day", "D"), ("hour", "h"), ("minute", "m"), ("second", "s")):
        number = round(float(time / np.timedelta64(1, code)), 1)  # type: ignore[call-overload]  # a literal
        if number >= 1 or code == "s":
            return f"{shown_number(number)} {unit}" + ("" if number == 1 else "s")
    raise AssertionError(time)


def report_short(
    selections: Sequence[Selection], rows: Mapping[str, int], options: Options, notes: Notes
) -> None:
    """Report the symbols that have too few rows.

    Args:
        rows: number of rows of each symbol that has any.
    """
    if not rows:
        if not notes.has_errors:
            notes.report(
                "error",
                "no-rows",
                "no row has a date and a price",
                "Run seqkit inspect for a report on each row.",
            )
        return
    for symbol in (symbol for selection in selections for symbol in selection.symbols):
        if rows.get(symbol, 0) < options.min_rows and (symbol in rows or symbol in options.symbols):
            notes.report(
                "error",
                "too-few-rows",
                f"{symbol} has {count(rows.get(symbol, 0), 'row')}; at least {options.min_rows:,} are needed",
                "Give a longer file, or leave the symbol out.",
            )


def report_dialect(content: Content, dialect: Dialect, layout: Layout, notes: Notes) -> None:
    """Report decisions about the whole file that could have been different."""
    if content.encoding != "utf-8":
        notes.report("info", "encoding", f"the file is not UTF-8, and was read as {content.encoding}")
    if dialect.skipped:
        says = f"the text above the header was left out ({at_lines(dialect.skipped)})"
        notes.report("info", "preamble", says, lines=dialect.skipped)
    if len(dialect.header) > 1:
        lines = dialect.header_lines
        notes.report("info", "header-rows", f"the header is in {at_lines(lines)}", lines=lines)
    if dialect.open_cell is not None:
        mark = {".": "point", ",": "comma"}[dialect.decimal]
        notes.report(
            "info",
            "decimal",
            f"{dialect.open_cell!r} was read with a decimal {mark}; the first lines do not show which "
            "decimal mark the file uses",
        )
    for name in layout.left_out:
        notes.report("info", "text-column", f"column {name!r} holds text, and was left out")
