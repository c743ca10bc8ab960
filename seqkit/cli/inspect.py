"""`seqkit inspect`: the contents of a price file, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from seqkit.cli.output import json_option, print_json, print_table, print_values
from seqkit.sources.prices.options import Options, declared
from seqkit.sources.prices.spelling import for_inspect

if TYPE_CHECKING:
    from seqkit.sources.prices import PriceTable


def _source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the source `prices`, as they are declared for Python and for recipes."""
    for option in reversed(declared()):
        several = option.name == "symbol"
        says = f"{option.says} May be given several times." if several else option.says
        name = f"--{option.name.replace('_', '-')}"
        command = click.option(name, multiple=several, metavar=option.value, help=says)(command)
    return command


@click.command("inspect")
@click.argument("file", metavar="FILE.csv")
@_source_options
@click.option(
    "--panel", is_flag=True, expose_value=False, help="Read all symbols of the file, the default here."
)
@json_option
def command(file: str, as_json: bool, **options: Any) -> None:
    """Show what is found in a price file from any broker.

    Findings name their lines. If one is an error, the exit code is 2, because no recipe reads the file.
    """
    from pathlib import Path

    from seqkit.sources.prices.findings import raise_errors
    from seqkit.sources.prices.reader import examine

    table = examine(Path(file), Options(**options).spelled(for_inspect), gaps=True)
    if as_json:
        print_json(_as_json(table))
    else:
        _print(table)
    raise_errors(table.path, table.findings)


def _as_json(table: PriceTable) -> dict[str, Any]:
    first = next(iter(table.series.values()), None)
    return {
        "path": str(table.path),
        "rows": table.rows,
        "rows_read": table.rows_read,
        "form": table.form,
        "symbols": list(table.symbols),
        "rows_by_symbol": {symbol: len(prices.dates) for symbol, prices in table.series.items()},
        "date_column": table.date_column,
        "price_column": table.price_column,
        "columns": list(first.columns) if first else [],
        "first_date": str(first.dates[0]) if first else None,
        "last_date": str(first.dates[-1]) if first else None,
        "first_price": float(first.prices[0]) if first else None,
        "last_price": float(first.prices[-1]) if first else None,
        "order": table.order,
        "delimiter": table.delimiter,
        "decimal": table.decimal,
        "encoding": table.encoding,
        "findings": [
            {
                "severity": finding.severity,
                "kind": finding.kind,
                "line": finding.line,
                "lines": list(finding.lines),
                "rows": finding.rows,
                "message": finding.message,
                "remedy": finding.remedy,
            }
            for finding in table.findings
        ],
    }


def _print(table: PriceTable) -> None:
    from seqkit.sources.prices.findings import and_more, count, shown_number

    found = _as_json(table)
    columns = "".join(f", {name}" for name in found["columns"])
    prices = "none"
    if table.symbols:
        prices = (
            f"{table.symbols[0]}: {shown_number(found['first_price'])} on {found['first_date']}, "
            f"{shown_number(found['last_price'])} on {found['last_date']}"
        )
    print_values(
        {
            "rows": f"{table.rows:,} of {table.rows_read:,}, {table.order}",
            "form": f"{table.form}, {count(len(table.symbols), 'symbol')}: {and_more(table.symbols)}",
            "columns": f"{table.date_column or 'unnamed'} (date), {table.price_column} (price){columns}",
            "prices": prices,
            "dialect": f"delimiter {table.delimiter!r}, decimal {table.decimal!r}, {table.encoding}",
        }
    )
    click.echo()
    print_table(
        ("line", "", "finding"),
        [(str(finding.line or ""), finding.severity, finding.message) for finding in table.findings],
    )
