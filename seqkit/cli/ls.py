"""`seqkit ls`: the recipes, one line each."""

from __future__ import annotations

import click

from seqkit.cli.output import json_option, print_json, print_table


@click.command("ls")
@json_option
def command(as_json: bool) -> None:
    """List the recipes."""
    import tomllib

    from seqkit.registry import default_registry

    recipes = [
        {
            "name": name,
            "description": tomllib.loads(entry.declaration.path.read_text("utf-8")).get("description", ""),
            "distribution": entry.distribution,
        }
        for name, entry in sorted(default_registry().recipes.items())
    ]
    if as_json:
        print_json(recipes)
    else:
        print_table(("recipe", "what it does"), [(row["name"], row["description"]) for row in recipes])
