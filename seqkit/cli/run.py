"""`seqkit run`: train a recipe, show the loss fall, and print a sample."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from seqkit.cli.foreign import echo
from seqkit.cli.input import show_source
from seqkit.cli.output import json_option, plugin_option, print_json, print_steps
from seqkit.cli.plan import show_plan
from seqkit.cli.series import run_series


@click.command("run")
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--data",
    multiple=True,
    help="Train on this text (a file, folder or glob), table of texts (.jsonl, .csv, .parquet, ...) or price "
    "file, not the recipe's source. Several are one text, in order.",
)
@click.option("--out", help="The run directory. [default: runs/RECIPE, then runs/RECIPE-2, ...]")
@click.option("--strict-plugins", is_flag=True, help="An exception in a plugin's hook stops training.")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    help="Number of trainings, each with its seed, and a summary. [default: 1 on text, 5 on series]",
)
@click.option("--plan", is_flag=True, help="Time a few steps, report what all would take, and train nothing.")
@plugin_option
@json_option
def command(
    recipe: str,
    overrides: tuple[str, ...],
    data: tuple[str, ...],
    seeds: int | None,
    plan: bool,
    as_json: bool,
    plugins: tuple[str, ...],
    **options: Any,
) -> None:
    """Train RECIPE (a name from `seqkit ls`, a .toml file, or a run, whose recipe is trained from scratch).

    Overrides change its keys: train.steps=500, cell.hidden_size=256, data.split=0.8,0.1,0.1;
    train.minutes=none leaves a key out.
    """
    from seqkit.recipe import Recipe
    from seqkit.registry import registry_with

    registry = registry_with(plugins)
    chosen = Recipe.load(recipe, registry)
    if Path(recipe).is_dir() and not plan:
        echo(
            f"{recipe} is a run: its recipe is trained from scratch, with new weights, as a new run.",
            err=True,
        )
    if data:
        chosen = chosen.with_data(data)
    chosen = chosen.override(overrides)
    options["plugins"] = plugins
    resolved = chosen.resolve(registry)
    if data and resolved.series is None:
        from seqkit import build

        show_source(data, build.open_text(resolved))
    try:
        if plan:
            show_plan(chosen, plugins, seeds, as_json)
            return
        if resolved.series is not None:
            path = run_series(chosen, recipe, seeds, options, as_json)
        elif seeds in (None, 1):
            path = _run_once(chosen, recipe, options, as_json)
        else:
            path = _run_seeds(chosen, seeds, options, as_json)
    except KeyboardInterrupt:
        sys.exit(130)  # what is kept was logged
    if _ended_higher(path):
        sys.exit(1)  # which was logged as well


def _ended_higher(path: Path) -> bool:
    """Whether a training in this directory ended with a higher loss than it began with."""
    from seqkit import rundir

    return any(rundir.read_json(file).get("ended_higher") for file in path.rglob(rundir.PROVENANCE))


def _run_once(recipe: Any, given: str, options: dict[str, Any], as_json: bool) -> Path:
    import seqkit
    from seqkit import rundir
    from seqkit.cli.progress import Progress

    with Progress(recipe.name) as progress:
        run = seqkit.train(recipe, **options, callbacks=[progress])
    result = {
        "path": str(run.path),
        "best": rundir.lowest_validation(run.metrics),
        "sample": run.recipe.sample.prompt + run.generate(),
        "provenance": run.provenance,
    }
    if run.recipe.data.documents != "joined":
        copies = run.copies()
        result["copies"] = asdict(copies)
    if as_json:
        print_json(result)
    else:
        echo(f"\n{progress.summary}\n\n--- a sample ---\n{result['sample']}\n---\n")
        if "copies" in result:
            click.echo(f"At temperature 1, {copies}.\n")
        echo(f"The run is in {run.path}, and the picture of its loss in {run.path}/{rundir.LOSS_PLOT}. Next:")
        print_steps(_next_steps(given, run, options["plugins"]))
    return Path(run.path)


def _next_steps(recipe: str, run: Any, plugins: tuple[str, ...]) -> list[tuple[str, str]]:
    path = run.path
    given = "".join(f" -p {plugin}" for plugin in plugins)
    kept = [change for change in run.recipe.overrides if not change.lstrip("~").startswith("source.")]
    changes = "".join(f" {shlex.quote(_typed(run.recipe, change))}" for change in kept)
    apart, prompt = run.recipe.data.documents != "joined", '"The " --temperature 0.5'
    has_test = "test" in run.provenance["data"]["splits"]
    return [
        (f"run {recipe} --data my.txt{changes}{given}", "train on a text of your own"),
        (f"generate {path} {'--num 10' if apart else prompt}{given}", "more text"),
        (f"score {path} my.txt{given}", "how surprising a text is"),
        (f"evaluate {path}{'' if has_test else ' --split validation'}{given}", "the loss on a whole split"),
    ]


def _typed(recipe: Any, change: str) -> str:
    """An override as it has to be typed, without quotes where it can do without."""
    from seqkit.recipe.overrides import without_quotes

    table, _, key = change.removeprefix("~").partition("=")[0].partition(".")
    config = getattr(recipe, table, None)
    fields = type(getattr(config, "config", config)).model_fields if config is not None else {}
    return without_quotes(fields.get(key), change)


def _run_seeds(recipe: Any, seeds: int, options: dict[str, Any], as_json: bool) -> Path:
    from seqkit.cli.progress import Progress
    from seqkit.seeds import train_seeds

    with ExitStack() as bars:
        summary = train_seeds(
            recipe,
            seeds,
            **options,
            callbacks=lambda seed: [bars.enter_context(Progress(f"seed {seed}"))],
        )
    if as_json:
        print_json(summary)
    else:
        for name, label in (("loss", "nats per token"), ("bits_per_char", "bits per character")):
            low, high = summary[name]["interval_95"]
            mean = f"{summary[name]['mean']:.4f} {label} (95 %: {low:.4f} to {high:.4f})"
            click.echo(f"validation, {seeds} seeds: {mean}")
        click.echo(f"The runs and their summary.json are in {summary['path']}.")
    return Path(summary["path"])
