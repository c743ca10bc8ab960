"""What is worth telling of prices that are right: splits, gaps, a price that is not adjusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from seqkit.sources.prices.blocks import Block
from seqkit.sources.prices.columns import role_of
from seqkit.sources.prices.content import Content
from seqkit.sources.prices.dates import shown
from seqkit.sources.prices.dialect import Dialect
from seqkit.sources.prices.findings import and_more, at_lines, count
from seqkit.sources.prices.forms import Layout
from seqkit.sources.prices.notes import Notes
from seqkit.sources.prices.options import Options
from seqkit.sources.prices.selection import Selection

SPLIT_LOG_FACTOR = 0.2
"""How far Close and Adj Close have to disagree in one step: 5 for 4 is 0.22, and dividends are far less."""


def tell_of_price(layout: Layout, notes: Notes) -> None:
    """Which column is the price, and whether it is adjusted."""
    group = layout.groups[0]
    name = layout.names[group.price]
    if len(layout.groups) > 1 and layout.names[layout.groups[1].price] != name:
        notes.tell("info", "price-column", "each column is the price of the symbol that it is called by")
        return
    what = {"adj_close": " (the adjusted close)", "close": " (the close)"}.get(role_of(name) or "", "")
    notes.tell("info", "price-column", f"the price is column {name!r}{what}")
    if role_of(name) != "adj_close" and "adj_close" not in group.others:
        notes.tell(
            "info",
            "not-adjusted",
            "no column is an adjusted close: splits and dividends may be in the prices",
        )


def tell_of_missing(blocks: Sequence[Block], notes: Notes) -> None:
    """The rows that have a date and no price."""
    without = [block for block in blocks if block.missing.size]
    if not without:
        return
    rows = np.unique(np.concatenate([block.missing for block in without]))
    if len(blocks) == 1:
        says = "{rows} without a price: left out"
    else:
        each = [f"{block.selection.group.symbol} in {count(block.missing.size, 'row')}" for block in without]
        says = f"there is no price for {and_more(each)}"
    notes.tell_of_rows("warning", "missing-price", rows, says)


def tell_of_splits(block: Block, layout: Layout, notes: Notes) -> None:
    """Steps in which the close and the adjusted close of the file disagree by more than a dividend.

    The move of a price alone says nothing: AAPL fell by half on 2000-09-29, and no split was near.
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
        notes.tell_of_rows(
            "warning",
            "likely-split",
            np.sort(block.rows[places]),
            f"a likely split that the close is not adjusted for: on {shown(block.when[first])} it moves by "
            f"the factor {factors[0]:.3g}, and the adjusted close by {factors[1]:.3g}",
        )


def tell_of_gap(blocks: Sequence[Block], notes: Notes) -> None:
    """The longest time without a row; nothing is filled in."""
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
    day, hour = np.timedelta64(1, "D"), np.timedelta64(1, "h")
    length = f"{longest / hour:.3g} hours" if longest < day else f"{longest / day:.3g} days"
    between = " and ".join(shown(block.when[at]) for at in (place, place + 1))
    several = len(blocks) > 1 or len(block.selection.symbols) > 1
    who = f" of {block.selection.symbols[block.codes[place]]}" if several else ""
    notes.tell_of_rows(
        "info",
        "longest-gap",
        block.rows[[place + 1]],
        f"the longest gap is {length}: no row{who} between {between}",
    )


def tell_of_short(
    selections: Sequence[Selection], rows: Mapping[str, int], options: Options, notes: Notes
) -> None:
    """The symbols that have fewer rows than are needed.

    Args:
        rows: how many each symbol has; those that have none are not in it.
    """
    if not rows:
        if not notes.has_errors:
            notes.tell(
                "error", "no-rows", "no row has a date and a price", "seqkit inspect tells of each row."
            )
        return
    for symbol in (symbol for selection in selections for symbol in selection.symbols):
        if rows.get(symbol, 0) < options.min_rows and (symbol in rows or symbol in options.symbols):
            notes.tell(
                "error",
                "too-few-rows",
                f"{symbol} has {count(rows.get(symbol, 0), 'row')}; at least {options.min_rows:,} are needed",
                "Give a longer file, or leave the symbol out.",
            )


def tell_of_dialect(content: Content, dialect: Dialect, layout: Layout, notes: Notes) -> None:
    """What was decided about a file as a whole, where it might have been decided otherwise."""
    if content.encoding != "utf-8":
        notes.tell("info", "encoding", f"the file is not UTF-8, and was read as {content.encoding}")
    if dialect.skipped:
        says = f"what stands above the header was left out ({at_lines(dialect.skipped)})"
        notes.tell("info", "preamble", says, lines=dialect.skipped)
    if len(dialect.header) > 1:
        lines = dialect.header_lines
        notes.tell("info", "header-rows", f"the header is {at_lines(lines)}", lines=lines)
    if dialect.open_cell is not None:
        mark = {".": "point", ",": "comma"}[dialect.decimal]
        notes.tell(
            "info",
            "decimal",
            f"{dialect.open_cell!r} was read with a decimal {mark}; nothing in the first lines settles it",
        )
    for name in layout.left_out:
        notes.tell("info", "text-column", f"column {name!r} holds text, and was left out")
