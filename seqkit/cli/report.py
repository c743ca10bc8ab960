"""Output of `seqkit run` and `seqkit evaluate` for the runs of one kind of task."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from seqkit.cli.data import name_data
from seqkit.cli.foreign import echo
from seqkit.cli.opening import wrong_kind
from seqkit.cli.output import print_json, print_steps, print_values


@dataclass(frozen=True)
class Asked:
    """The arguments of `seqkit evaluate`.

    Args:
        directory: the directory of the run, or the one above its seeds.
        file: the file that is read in place of the recipe's own data.
        overrides: overrides of the way the file is read.
        split: the split of the recipe's data.
        names_split: whether the user gave the split.
        leaks, control: whether to look for leaks, or to train on random walks, instead.
        plugins: the plugins given on the command line.
        as_json: whether to print one JSON document.
    """

    directory: str
    file: str | None
    overrides: Sequence[str]
    split: str
    names_split: bool
    leaks: bool
    control: bool
    plugins: Sequence[str]
    as_json: bool


class Report:
    """The report of a kind of task that has none of its own: the loss. A `TaskPlugin` may name another."""

    position = "position"
    """What a step predicts, for the progress bar."""

    def show_source(self, data: Sequence[str], recipe: Any) -> None:
        """Print which source reads the user's data."""

    def train(
        self,
        recipe: Any,
        given: str,
        seeds: int,
        options: dict[str, Any],
        as_json: bool,
        *,
        has_own_data: bool = False,
    ) -> Path:
        """Train a recipe, and print its results.

        Args:
            recipe: the recipe with its overrides.
            given: the recipe as the user typed it.
            seeds: number of trainings.
            options: keywords of `seqkit.train`.
            as_json: whether to print one JSON document.
            has_own_data: whether the user gave data.
        Returns:
            The directory of the run, or the one above the runs.
        """
        if seeds > 1:
            return self._train_seeds(recipe, seeds, options, as_json)
        import seqkit
        from seqkit.cli.progress import Progress
        from seqkit.run import rundir

        with Progress(recipe.name, self.position) as progress:
            run = seqkit.train(recipe, **options, callbacks=[progress])
        if as_json:
            print_json(self.result(run))
            return run.path
        echo(f"\n{progress.summary}\n")
        self.show_result(run)
        echo(f"The run is in {run.path}, and the picture of its loss in {run.path}/{rundir.LOSS_PLOT}. Next:")
        print_steps(self.next_steps(given, run, options["plugins"], has_own_data=has_own_data))
        return run.path

    def result(self, run: Any) -> dict[str, Any]:
        """The results of one run, as plain JSON values."""
        from seqkit.run import rundir

        best = rundir.lowest_validation(run.metrics)
        return {"path": str(run.path), "best": best, "provenance": run.provenance}

    def show_result(self, run: Any) -> None:
        """Print what this kind of run shows besides the loss."""

    def next_steps(
        self, given: str, run: Any, plugins: Sequence[str], *, has_own_data: bool
    ) -> list[tuple[str, str]]:
        """Commands for the next steps, and what each is for."""
        has_test = "test" in run.provenance["data"].get("splits", ())
        split = "" if has_test else " --split validation"
        return [(f"evaluate {run.path}{split}{plugin_words(plugins)}", "measure the loss on a whole split")]

    def _train_seeds(self, recipe: Any, seeds: int, options: dict[str, Any], as_json: bool) -> Path:
        summary = train_seeds(recipe, seeds, options, self.position)
        if as_json:
            print_json(summary)
        else:
            for name, label in (
                ("loss", f"nats per {self.position}"),
                ("bits_per_char", "bits per character"),
            ):
                if name in summary:
                    low, high = summary[name]["interval_95"]
                    mean = f"{summary[name]['mean']:.4f} {label} (95 %: {low:.4f} to {high:.4f})"
                    click.echo(f"validation, {seeds} seeds: {mean}")
            click.echo(f"The runs and their summary.json are in {summary['path']}.")
        return Path(summary["path"])

    def evaluate(self, runs: Sequence[Any], asked: Asked) -> None:
        """Evaluate a run, or the seeds of a recipe, and print the result."""
        for option in ("leaks", "control"):
            if getattr(asked, option):
                raise wrong_kind(runs[0], asked.directory, f"--{option} is for series")
        if len(runs) > 1:
            raise click.UsageError(
                f"{asked.directory} has {len(runs)} runs on {runs[0].recipe.kind}; evaluate one of them: "
                f"{', '.join(str(run.path) for run in runs)}."
            )
        self.evaluate_one(runs[0], asked)

    def evaluate_one(self, run: Any, asked: Asked) -> None:
        """Print the loss on a split."""
        if asked.file is not None:
            raise click.UsageError(
                f"a run on {run.recipe.kind} is evaluated on its own data; leave FILE out."
            )
        name_data(run.recipe, None, quiet=asked.as_json)
        metrics = run.evaluate(asked.split)
        if asked.as_json:
            print_json(metrics)
        else:
            print_values(metrics, self.position)


def report_of(recipe: Any) -> Report:
    """The report of the kind of a resolved recipe."""
    from seqkit.plugin import load_target

    task = recipe.task.declaration
    report: Report = load_target(task.name, task.report)()
    return report


def train_seeds(
    recipe: Any, seeds: int, options: dict[str, Any], position: str, *, lines: bool = True
) -> dict[str, Any]:
    """Train the seeds of a recipe, each with a progress bar; returns their summary."""
    from seqkit.cli.progress import Progress
    from seqkit.run import train_seeds

    with ExitStack() as bars:
        return train_seeds(
            recipe,
            seeds,
            **options,
            callbacks=lambda seed: [bars.enter_context(Progress(f"seed {seed}", position, lines=lines))],
        )


def plugin_words(plugins: Sequence[str]) -> str:
    """The command-line options that load these plugins."""
    return "".join(f" -p {plugin}" for plugin in plugins)
