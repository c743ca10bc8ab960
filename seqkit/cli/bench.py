"""`seqkit bench`: measurements that anyone can repeat, reported as ratios within one process."""

from __future__ import annotations

from typing import Any

import click

from seqkit.cli import (
    bench_checkpoint,
    bench_controls,
    bench_engine,
    bench_prices,
    bench_ranks,
    bench_words,
)
from seqkit.cli.output import json_option, plugin_option, print_json, print_table, set_option


@click.group("bench")
def command() -> None:
    """Measure the speed and memory of seqkit itself.

    Keep the machine idle meanwhile.
    """


command.add_command(bench_checkpoint.command)
command.add_command(bench_controls.command)
command.add_command(bench_prices.command)
command.add_command(bench_ranks.command)
command.add_command(bench_words.command)
for _measurement in (
    bench_engine.engine,
    bench_engine.start,
    bench_engine.training,
    bench_engine.generate,
    bench_engine.memory,
):
    command.add_command(_measurement)


@command.command("trainer")
@click.option("--batch-size", default=32, show_default=True, help="Rows of a batch.")
@click.option("--seq-len", default=100, show_default=True, help="Time steps of a batch.")
@click.option("--hidden-size", default=128, show_default=True, help="Units of the cell.")
@click.option("--repeats", default=15, show_default=True, help="Measurements of each loop, in turn.")
@json_option
def trainer(batch_size: int, seq_len: int, hidden_size: int, repeats: int, as_json: bool) -> None:
    """Measure the overhead of the trainer, compared with a bare loop.

    Both train the same model.
    """
    from seqkit.bench.trainer import measure

    result = measure(batch_size, seq_len, hidden_size, repeats=repeats)
    if as_json:
        print_json(result)
        return
    click.echo(
        f"batch {batch_size}, time {seq_len}, hidden {hidden_size}, engine {result['engine']}, "
        f"{repeats} times {result['steps']} steps of each in turn\n"
        f"bare loop  {result['bare_ms_per_step']:.2f} ms per step\n"
        f"Trainer    {result['trainer_ms_per_step']:.2f} ms per step\n"
        f"an audit   {result['audit_ms']:.2f} ms, {result['audit_shares'][1_000]:.2%} of 1,000 steps, "
        f"{result['audit_shares'][10_000]:.3%} of 10,000\n"
        f"ratio      {result['ratio']:.3f} (from {result['ratio_min']:.3f} to {result['ratio_max']:.3f})"
    )


@command.command("busy")
@click.option("--seconds", default=5.0, show_default=True, help="Seconds of steps in each process.")
@click.option(
    "--repeats", default=3, show_default=True, type=click.IntRange(min=1), help="Processes of each kind."
)
@json_option
def busy(seconds: float, repeats: int, as_json: bool) -> None:
    """Time a training step while other processes keep cores busy.

    There are zero, one and two such processes, and each keeps one core busy.
    """
    from seqkit.bench.busy import measure

    rows = measure(seconds=seconds, repeats=repeats)
    if as_json:
        print_json(rows)
        return
    print_table(
        ["cell", "busy", "torch's threads", "a thread per free core", "threads", "ratio (from, to)"],
        [
            [
                row["cell"],
                str(row["busy"]),
                *(f"{ms:,.1f} ms" for ms in row["ms"].values()),
                ", ".join(map(str, row["threads"]["free cores"])),
                f"{row['ratio']:.2f} ({row['ratio_min']:.2f}, {row['ratio_max']:.2f})",
            ]
            for row in rows
        ],
    )


@command.command("tokenizer")
@click.option(
    "--megabytes",
    default=16,
    show_default=True,
    type=click.IntRange(min=1),
    help="Size of each text, in megabytes.",
)
@click.option(
    "--repeats",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Measurements of each tokenizer.",
)
@json_option
def tokenizer(megabytes: int, repeats: int, as_json: bool) -> None:
    """Measure how fast text is encoded, on one core.

    The speed is compared with that of Hugging Face's WordLevel.
    """
    from seqkit.bench.tokenizer import measure

    rows = measure(megabytes, repeats=repeats)
    if as_json:
        print_json(rows)
        return
    _print_speeds(rows)


def _print_speeds(rows: list[dict[str, Any]]) -> None:
    print_table(
        ["text", *(f"{name} MB/s" for name in rows[0]["megabytes_per_s"])],
        [[row["text"], *(f"{speed:,.1f}" for speed in row["megabytes_per_s"].values())] for row in rows],
    )


@command.command("data")
@click.option(
    "--megabytes",
    default=200,
    show_default=True,
    type=click.IntRange(min=1),
    help="Size of the text, in megabytes.",
)
@json_option
def data(megabytes: int, as_json: bool) -> None:
    """Measure how fast a large text becomes a corpus.

    It also measures the memory that this takes, and how fast text is encoded.
    """
    from seqkit.bench import data as files
    from seqkit.bench import tokenizer as encoding

    speeds, rows = encoding.measure(min(megabytes, 16)), files.measure(megabytes)
    if as_json:
        print_json({"encoding": speeds, "files": rows})
        return
    _print_speeds(speeds)
    click.echo()
    print_table(
        ["tokenizer", "file", "file to corpus", "speed", "peak, with training"],
        [
            [
                row["tokenizer"],
                f"{row['megabytes']:,} MB",
                f"{row['seconds']:.1f} s",
                f"{row['megabytes_per_s']:.1f} MB/s",
                f"+{row['peak_growth_megabytes']:.0f} MB",
            ]
            for row in rows
        ],
    )


@command.command("cells")
@click.argument("cells", nargs=-1, metavar="[CELL]...")
@click.option(
    "--recipe",
    default="quickstart",
    show_default=True,
    help="Recipe for everything but the cell and the budget.",
)
@click.option("--data", help="Train on this text file instead of the recipe's source.")
@click.option(
    "--parameters",
    default=100_000,
    show_default=True,
    help="Number of parameters of each whole model, within 2 %.",
)
@click.option(
    "--steps",
    default=1000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of steps of each training.",
)
@click.option(
    "--seeds",
    default=3,
    show_default=True,
    type=click.IntRange(min=2),
    help="Number of trainings of each cell, each with its own seed.",
)
@click.option("--out", help="The directory of the runs. [default: runs/cells, then runs/cells-2, ...]")
@plugin_option
@json_option
def cells(
    cells: tuple[str, ...],
    recipe: str,
    data: str | None,
    plugins: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Compare cells on the same data, with several seeds.

    All have the same budget and the same number of parameters. By default it compares rnn, and gru and lstm
    if they are installed.
    """
    from contextlib import ExitStack

    from seqkit.bench.cells import PICTURE, compare
    from seqkit.cli.progress import Progress
    from seqkit.recipe import Recipe
    from seqkit.registry import registry_with

    registry = registry_with(plugins)
    known = registry.names("cell")
    chosen = cells or tuple(name for name in ("rnn", "gru", "lstm") if name in known)
    base = Recipe.load(recipe, registry)
    with ExitStack() as bars:
        result = compare(
            chosen,
            recipe=base if data is None else base.with_data(data),
            plugins=plugins,
            callbacks=lambda cell, seed: [bars.enter_context(Progress(f"{cell}, seed {seed}"))],
            **options,
        )
    if as_json:
        print_json(result)
        return
    rows = []
    for row in result["cells"]:
        bits = row["bits_per_char"]
        low, high = bits["interval_95"]
        score = f"{bits['mean']:.3f} ({low:.3f} to {high:.3f})"
        rows.append(
            [row["cell"], str(row["size"]), f"{row['parameters']:,}", score, f"{row['tokens_per_s']:,.0f}"]
        )
    print_table(("cell", "size", "parameters", "validation bits/char (95 %)", "tokens/s"), rows)
    click.echo(f"\nThe runs, cells.json and {PICTURE} are in {result['path']}.")


@command.command("recipes")
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@click.option("--data", help="Train on this text file instead of the recipes' sources.")
@click.option("--minutes", default=3.0, show_default=True, help="Minutes of each training.")
@click.option(
    "--seeds",
    default=3,
    show_default=True,
    type=click.IntRange(min=2),
    help="Number of trainings of each recipe, each with its own seed.",
)
@set_option
@click.option("--out", help="The directory of the runs. [default: runs/recipes, then runs/recipes-2, ...]")
@plugin_option
@json_option
def recipes(recipes: tuple[str, ...], plugins: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Compare recipes on the same data, with several seeds.

    Each is trained for the same number of minutes.
    """
    from contextlib import ExitStack

    from seqkit.bench.recipes import PICTURE, compare
    from seqkit.cli.progress import Progress

    with ExitStack() as bars:
        result = compare(
            recipes,
            plugins=plugins,
            callbacks=lambda name, seed: [bars.enter_context(Progress(f"{name}, seed {seed}"))],
            **options,
        )
    if as_json:
        print_json(result)
        return
    rows = []
    for row in result["recipes"]:
        low, high = row["loss"]["interval_95"]
        score = f"{row['loss']['mean']:.4f} ({low:.4f} to {high:.4f})"
        speed = f"{row['tokens_per_s']:,.0f}"
        rows.append([row["recipe"], f"{row['parameters']:,}", row["engine"], score, speed])
    print_table(("recipe", "parameters", "engine", "validation nats/token (95 %)", "tokens/s"), rows)
    click.echo(f"\nThe runs, recipes.json and {PICTURE} are in {result['path']}.")
