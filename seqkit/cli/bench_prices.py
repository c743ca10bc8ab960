"""`seqkit bench prices`: reading a large price file, compared with pandas."""

from __future__ import annotations

import click

from seqkit.cli.output import json_option, print_json, print_table


@click.command("prices")
@click.option(
    "--rows", default=1_000_000, show_default=True, type=click.IntRange(min=2), help="Rows of the file."
)
@click.option(
    "--repeats", default=5, show_default=True, type=click.IntRange(min=1), help="Measurements of each reader."
)
@json_option
def command(as_json: bool, **options: int) -> None:
    """Measure how fast a price file is read, compared with pandas.

    pandas reads it by pandas.read_csv with dates.
    """
    from seqkit.bench.prices import measure

    rows = measure(**options)
    if as_json:
        print_json(rows)
        return
    print_table(
        ["form", "rows", "pandas.read_csv", "read_prices", "ratio (from, to)"],
        [
            [
                row["form"],
                f"{row['rows']:,}",
                *(f"{row['seconds'][reader]:.2f} s" for reader in ("pandas", "seqkit")),
                f"{row['ratio']:.2f} ({row['ratio_min']:.2f}, {row['ratio_max']:.2f})",
            ]
            for row in rows
        ],
    )
