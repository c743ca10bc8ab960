"""`seqkit show`: a recipe with every default, or the recipe and provenance of a run."""

from __future__ import annotations

from pathlib import Path

import click

from seqkit.cli.foreign import echo
from seqkit.cli.output import json_option, plugin_option, print_json


@click.command("show")
@click.argument("recipe_or_dir")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@plugin_option
@json_option
def command(recipe_or_dir: str, overrides: tuple[str, ...], plugins: tuple[str, ...], as_json: bool) -> None:
    """Show RECIPE, or the run in DIR, with every default filled in.

    RECIPE is a name from `seqkit ls`, or a .toml file.
    """
    from seqkit.recipe import Recipe
    from seqkit.registry import registry_with

    if not Path(recipe_or_dir).is_dir():
        registry = registry_with(plugins)
        resolved = Recipe.load(recipe_or_dir, registry).override(overrides).resolve(registry)
        if as_json:
            print_json(resolved.tables())
        else:
            echo(resolved.to_toml(), nl=False)
        return
    if overrides:
        raise click.UsageError("a run cannot be overridden, because it is already trained.")
    _show_run(Path(recipe_or_dir), as_json)


def _show_run(path: Path, as_json: bool) -> None:
    import tomllib

    from seqkit.run import rundir

    rundir.require_run(path)
    provenance = rundir.read_provenance(path)
    recipe = rundir.read_recipe(path)
    best = rundir.lowest_validation(rundir.read_metrics(path))
    if as_json:
        print_json({"recipe": tomllib.loads(recipe), "provenance": provenance, "best": best})
        return
    import tomli_w

    echo(f"# {path}/{rundir.RECIPE}\n{recipe}")
    echo(f"# {path}/{rundir.PROVENANCE}, {rundir.ENDED}\n{tomli_w.dumps(provenance)}", nl=False)
    if best is not None:
        click.echo(f"\n# lowest validation loss\nloss = {best['loss']:.4f}\nstep = {best['step']}")
