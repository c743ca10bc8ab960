"""`seqkit inspect`: what a price file holds, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seqkit.cli.output import json_option, print_json, print_table, print_values

if TYPE_CHECKING:
    from seqkit.sources.prices import PriceTable


@click.command("inspect")
@click.argument("file", metavar="FILE.csv")
@click.option("--symbol", "symbols", multiple=True, help="One of its symbols; several times for several.")
@click.option("--price", metavar="COLUMN", help="The column of the price.")
@click.option("--date-format", metavar="FORMAT", help="As in strptime, for instance %d/%m/%Y.")
@json_option
def command(
    file: str, symbols: tuple[str, ...], price: str | None, date_format: str | None, as_json: bool
) -> None:
    """Show what is found in a file of prices, whichever broker wrote it.

    Findings name the lines. Where one is an error, the exit code is 2: no recipe reads the file.
    """
    from pathlib import Path

    from seqkit.sources.prices.findings import raise_errors
    from seqkit.sources.prices.options import Options
    from seqkit.sources.prices.reader import examine

    table = examine(Path(file), Options(symbols, price, date_format), gaps=True)
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
    from seqkit.sources.prices.findings import and_more, count

    found = _as_json(table)
    columns = "".join(f", {name}" for name in found["columns"])
    prices = "none"
    if table.symbols:
        prices = (
            f"{table.symbols[0]}: {found['first_price']:g} on {found['first_date']}, "
            f"{found['last_price']:g} on {found['last_date']}"
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
