"""`seqkit ls`: the recipes, one line each."""

from __future__ import annotations

import click

from seqkit.cli.output import json_option, plugin_option, print_json, print_table


@click.command("ls")
@plugin_option
@json_option
def command(plugins: tuple[str, ...], as_json: bool) -> None:
    """List the recipes."""
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
