"""`seqkit ls`: the recipes, or the runs in a folder, one line each."""

from __future__ import annotations

from pathlib import Path

import click

from seqkit.cli.output import json_option, plugin_option, print_json, print_table


@click.command("ls")
@click.argument("folder", required=False, metavar="[DIR]")
@click.option("--runs", is_flag=True, help="List the runs in DIR instead.  [default of DIR: runs]")
@plugin_option
@json_option
def command(folder: str | None, runs: bool, plugins: tuple[str, ...], as_json: bool) -> None:
    """List the recipes, or the runs in DIR."""
    if runs:
        _show_runs(Path(folder or "runs"), as_json)
        return
    if folder is not None:
        raise click.UsageError("DIR is for --runs: seqkit ls --runs DIR.")
    import tomllib

    from seqkit.registry import registry_with

    recipes = [
        {
            "name": entry.declaration.name,
            "description": tomllib.loads(entry.declaration.path.read_text("utf-8")).get("description", ""),
            "distribution": entry.origin.distribution,
        }
        for kind, entry in registry_with(plugins).entries()
        if kind == "recipe"
    ]
    if as_json:
        print_json(recipes)
    else:
        print_table(("recipe", "description"), [(row["name"], row["description"]) for row in recipes])


def _show_runs(folder: Path, as_json: bool) -> None:
    from seqkit.run.listing import list_runs

    found = list_runs(folder)
    if as_json:
        rows = [
            {**vars(run), "path": str(run.path), "changed": run.changed.isoformat(timespec="seconds")}
            for run in found
        ]
        print_json(rows)
        return
    if not found:
        raise click.UsageError(f"there are no runs in {folder}. To make one: seqkit run quickstart")
    print_table(
        ("run", "recipe", "steps", "best loss", "ended by", "MB", "changed"),
        [
            (
                str(run.path),
                run.recipe,
                "" if run.steps is None else f"{run.steps:,}",
                "" if run.best_loss is None else f"{run.best_loss:.4f}",
                run.ended_by.partition(":")[0],
                f"{run.size_bytes / 1e6:.1f}",
                f"{run.changed:%Y-%m-%d %H:%M}",
            )
            for run in found
        ],
    )
