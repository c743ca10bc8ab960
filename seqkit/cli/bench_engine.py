"""`seqkit bench engine`, `training`, `generate`, `memory`: the engines compared with handwritten loops."""

from __future__ import annotations

from typing import Any

import click

from seqkit.cli.output import json_option, plugin_option, print_json, print_table, set_option


@click.command("engine")
@click.argument("cells", nargs=-1, metavar="[CELL]...")
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    help="Shape to measure, as BATCHxTIMExHIDDEN; may be given several times.",
)
@click.option(
    "--repeats",
    default=12,
    show_default=True,
    type=click.IntRange(min=1),
    help="Measurements of each engine, in turn.",
)
@click.option("--plot", "picture", type=click.Path(dir_okay=False), help="Plot the times to this PNG file.")
@json_option
def engine(
    cells: tuple[str, ...], shapes: tuple[str, ...], repeats: int, picture: str | None, as_json: bool
) -> None:
    """Compare the engines with a plain loop and torch's layers.

    They are also compared with the matrix products alone. By default it measures all cells of this benchmark
    in three shapes, which takes about ten minutes. The cores have to be idle.
    """
    from pathlib import Path

    from seqkit.bench.engine import SHAPES, measure, plot
    from seqkit.bench.steps import CELLS

    _known(cells)
    try:
        sizes = [(int(b), int(t), int(h)) for b, t, h in (shape.split("x") for shape in shapes)]
    except ValueError:
        raise click.BadParameter("a shape is BATCHxTIMExHIDDEN, for example 32x100x128.") from None
    rows = measure(cells or tuple(CELLS), sizes or SHAPES, repeats=repeats)
    if picture:
        plot(rows, Path(picture))
    if as_json:
        print_json(rows)
        return
    names = ("loop", "torch.nn", "fused", "compiled", "floor")
    ratios = ("loop/best", "torch.nn/best", "floor/best")
    print_table(
        ["cell", "shape", *(f"{name} ms" for name in names), *ratios],
        [
            [
                row["cell"],
                row["shape"],
                *(f"{row['ms'][name]:.1f}" if name in row["ms"] else "" for name in names),
                *(f"{row['ratios'][name]:.2f}" if name in row["ratios"] else "" for name in ratios),
            ]
            for row in rows
        ],
    )


@click.command("start")
@click.argument("cells", nargs=-1, metavar="[CELL]...")
@click.option(
    "--repeats", default=3, show_default=True, type=click.IntRange(min=1), help="Processes of each kind."
)
@json_option
def start(cells: tuple[str, ...], repeats: int, as_json: bool) -> None:
    """Measure how soon an engine is ready in a new process.

    `compiled` is measured with nothing on disk, and with what it has kept there. By default it measures rnn,
    lstm and lnlstm.
    """
    from seqkit.bench.start import USUAL, measure

    _known(cells)
    rows = measure(cells or USUAL, repeats=repeats)
    if as_json:
        print_json(rows)
        return
    print_table(
        ["cell", "loop", "fused", "compiled, first", "compiled, again"],
        [
            [row["cell"], *(f"{row[kind]:.2f} s" for kind in ("loop", "fused", "first", "again"))]
            for row in rows
        ],
    )


@click.command("training")
@click.argument("recipes", nargs=-1, metavar="[RECIPE]...")
@click.option("--data", help="Train on this text file instead of the recipes' sources.")
@click.option(
    "--steps",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of steps in each turn.",
)
@click.option(
    "--repeats",
    default=12,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of turns of each engine.",
)
@set_option
@plugin_option
@json_option
def training(recipes: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Time whole training steps of recipes with each engine, in turn.

    By default it times quickstart, and char-lstm and char-gru if they are installed. It takes a minute or
    two. The cores have to be idle.
    """
    from seqkit.bench.training import ENGINES, measure
    from seqkit.registry import registry_with

    known = registry_with(options["plugins"]).names("recipe")
    chosen = recipes or tuple(name for name in ("quickstart", "char-lstm", "char-gru") if name in known)
    rows = measure(chosen, **options)
    if as_json:
        print_json(rows)
        return
    print_table(
        [
            "recipe",
            *(f"{engine} ms" for engine in ENGINES),
            "compiled tokens/s",
            *(f"loop / {engine} (from, to)" for engine in ENGINES[1:]),
        ],
        [
            [
                row["recipe"],
                *(f"{row['ms'][engine]:.1f}" for engine in ENGINES),
                f"{row['tokens_per_s']['compiled']:,.0f}",
                *(
                    f"{ratio['median']:.2f} ({ratio['min']:.2f}, {ratio['max']:.2f})"
                    for ratio in row["ratios"].values()
                ),
            ]
            for row in rows
        ],
    )


@click.command("generate")
@click.argument("cells", nargs=-1, metavar="[CELL]...")
@click.option(
    "--hidden-size", default=256, show_default=True, type=click.IntRange(min=1), help="Units of each cell."
)
@click.option(
    "--tokens",
    default=500,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of tokens generated in each measurement.",
)
@click.option(
    "--repeats", default=15, show_default=True, type=click.IntRange(min=1), help="Measurements of each loop."
)
@json_option
def generate(cells: tuple[str, ...], as_json: bool, **options: int) -> None:
    """Compare the speed of generation with that of a bare loop.

    Generation is greedy; both use the same cell.
    """
    from seqkit.bench.generate import NAMES, measure

    rows = measure(_known(cells) or NAMES, **options)
    if as_json:
        print_json(rows)
        return
    print_table(
        ["cell", "hidden", "bare loop tokens/s", "seqkit.generate tokens/s", "ratio (from, to)"],
        [
            [
                row["cell"],
                str(row["hidden_size"]),
                f"{row['bare_tokens_per_s']:,.0f}",
                f"{row['generate_tokens_per_s']:,.0f}",
                f"{row['ratio']:.2f} ({row['ratio_min']:.2f}, {row['ratio_max']:.2f})",
            ]
            for row in rows
        ],
    )


@click.command("memory")
@click.argument("cells", nargs=-1, metavar="[CELL]...")
@click.option(
    "--batch-size", default=64, show_default=True, type=click.IntRange(min=1), help="Rows of the batch."
)
@click.option(
    "--hidden-size", default=256, show_default=True, type=click.IntRange(min=1), help="Units of each cell."
)
@json_option
def memory(cells: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Measure the memory of a pass by each engine.

    A pass is a forward and backward pass over 100, 400 and 1,600 time steps.
    """
    from seqkit.bench.memory import NAMES, measure

    rows = measure(_known(cells) or NAMES, **options)
    if as_json:
        print_json(rows)
        return
    print_table(
        ["cell", "shape", *(f"{engine} MB" for engine in rows[0]["megabytes"])],
        [[row["cell"], row["shape"], *(f"{mb:.0f}" for mb in row["megabytes"].values())] for row in rows],
    )


def _known(cells: tuple[str, ...]) -> tuple[str, ...]:
    """The names; raises if one is not a cell of the engine's benchmark."""
    from seqkit.bench.steps import CELLS
    from seqkit.errors import UnknownNameError

    for cell in cells:
        if cell not in CELLS:
            raise UnknownNameError("cell of this benchmark", cell, CELLS)
    return cells
