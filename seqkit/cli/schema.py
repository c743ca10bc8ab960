"""`seqkit schema`: the JSON schema of recipes, for editors."""

from __future__ import annotations

import click

from seqkit.cli.output import plugin_option, print_json


@click.command("schema")
@plugin_option
def command(plugins: tuple[str, ...]) -> None:
    """Print the JSON schema of recipes.

    It includes the components of the installed plugins.
    """
    from seqkit.recipe.schema import recipe_schema
    from seqkit.registry import registry_with

    print_json(recipe_schema(registry_with(plugins)))
