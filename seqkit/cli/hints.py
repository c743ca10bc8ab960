"""Hints below an error: the command that the user probably meant."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import click

from seqkit.errors import RecipeError, RunError, SeqkitError, SourceError, UnknownNameError

COMMANDS = {
    "train": "run",
    "fit": "run",
    "start": "run",
    "sample": "generate",
    "complete": "generate",
    "write": "generate",
    "eval": "evaluate",
    "test": "evaluate",
    "perplexity": "score",
    "surprisal": "score",
    "predict": "forecast",
    "list": "ls",
    "recipes": "ls",
    "init": "new",
    "create": "new",
    "describe": "show",
    "info": "show",
}
"""Names that other programs use, and the commands of seqkit that do the same."""
KEYS = {"lr": "learning_rate", "batch": "batch_size", "hidden": "hidden_size", "num_layers": "layers"}
"""Names that other programs use, and the keys of a recipe that mean the same."""
RUNS_SHOWN = 5
WORDS = "seqkit.words"
"""The key of `ctx.meta` that holds the words the user typed."""

Parameters: TypeAlias = Mapping[str, Any]


def hint(error: Exception, command: str, parameters: Parameters, words: Sequence[str]) -> str:
    """The command that was meant, or the choices; an empty string if there is no hint.

    Args:
        error: raised by the command.
        command: its name, as typed.
        parameters: those of its arguments and options that could be read.
        words: all words typed after `seqkit`.
    """
    for commands, kind, find in HINTS:
        applies = (not commands or command in commands) and isinstance(error, kind)
        if applies and (found := find(error, command, parameters, words)):
            return found
    return ""


def _other_command(error: Any, command: str, parameters: Parameters, words: Sequence[str]) -> str:
    if not error.format_message().startswith("No such command"):
        return ""
    from seqkit.cli import cli

    known = cli.list_commands(click.get_current_context())
    near = difflib.get_close_matches(command, [*COMMANDS, *known], n=1)
    if not near:
        return f"The commands: {', '.join(known)}."
    return "Did you mean: " + _typed(COMMANDS.get(near[0], near[0]), *words[words.index(command) + 1 :])


def _option_of_recipe(error: Any, command: str, parameters: Parameters, words: Sequence[str]) -> str:
    """`--steps 500` is an override of the recipe."""
    if not isinstance(error, click.NoSuchOption):
        return ""
    from seqkit.recipe.meant import meant_overrides
    from seqkit.registry import default_registry

    options = [word.partition("=")[0] for word in words]
    place = options.index(error.option_name)
    _, equals, value = words[place].partition("=")
    if not equals:
        after = words[place + 1 : place + 2]
        value = after[0] if after and not after[0].startswith("-") else "VALUE"
    name = options[place].lstrip("-").replace("-", "_")
    meant = meant_overrides(
        f"{KEYS.get(name, name)}={shlex.quote(value)}",
        _configs(parameters),
        default_registry(),
        nearest=not error.possibilities,
    )
    return f"A key of the recipe is given without dashes: {' or '.join(meant)}" if meant else ""


def _configs(parameters: Parameters) -> dict[str, Any]:
    """The configs of the tables of the given recipe, by name; those of seqkit itself if it cannot be read."""
    from seqkit.recipe import Component, Recipe
    from seqkit.recipe.kinds import tables_of
    from seqkit.registry import default_registry

    try:
        recipe = Recipe.load(parameters.get("recipe") or parameters.get("recipe_or_dir") or "").resolve()
    except SeqkitError:
        return tables_of(default_registry())
    return {
        table: type(part.config if isinstance(part, Component) else part)
        for table, part in recipe.parts().items()
    }


def _data_as_recipe(error: Any, command: str, parameters: Parameters, words: Sequence[str]) -> str:
    """`seqkit run my.txt`; also `seqkit run mine` if there is a file `mine.toml`."""
    given = str(parameters.get("recipe") or parameters.get("recipe_or_dir") or "")
    if given and not given.endswith(".toml") and os.path.isfile(given):
        recipe = "stocks" if ".csv" in Path(given).suffixes else "quickstart"
        return f"{given} is a data file: " + _typed("run", recipe, "--data", given)
    if given and os.path.isfile(Path(given, "recipe.toml")):
        return f"{given} is a run. To train its recipe: " + _typed(command, f".{os.sep}{given}")
    if given and os.path.isfile(f"{given}.toml"):
        return "Did you mean: " + _typed(command, f"{given}.toml")
    if "cannot be read: No such file" in str(error) and os.sep in given:
        return _nearest_run(given)
    if str(error).startswith("no recipe"):
        return "A recipe of your own is a path that ends in .toml; a text is given with --data."
    return ""


def _run_directory(error: Any, command: str, parameters: Parameters, words: Sequence[str]) -> str:
    """A prompt given in place of the run, or a misspelt run."""
    given = parameters.get("directory")
    if not given or os.path.isdir(given):
        return ""
    runs = runs_by_date()
    if not runs:
        return "There are no runs in runs/ yet: seqkit run quickstart makes one."
    names = {Path(run).name: run for run in reversed(runs)}
    near = difflib.get_close_matches(Path(given).name, names, n=1)
    is_prompt = command == "generate" and parameters.get("prompt") is None and not _looks_like_a_path(given)
    if is_prompt and not near:
        return "The run comes first: " + _typed("generate", runs[0], given)
    rest = f" and {len(runs) - RUNS_SHOWN} more" if len(runs) > RUNS_SHOWN else ""
    listed = f"Runs, the latest first: {', '.join(runs[:RUNS_SHOWN])}{rest}."
    return f"Did you mean {names[near[0]]}? {listed}" if near and "Did you mean" not in str(error) else listed


def _nearest_run(given: str) -> str:
    """The run whose path is nearest to the one that was typed."""
    names = {Path(run).name: run for run in reversed(runs_by_date())}
    near = difflib.get_close_matches(Path(given).name, names, n=1)
    return f"Did you mean {names[near[0]]}?" if near else ""


def _text_as_file(error: Any, command: str, parameters: Parameters, words: Sequence[str]) -> str:
    """`seqkit score RUN "some text"`."""
    given = parameters.get("file")
    if not given or os.path.exists(given) or _looks_like_a_path(given):
        return ""
    return f"For a text: echo {shlex.quote(given)} | " + _typed(command, parameters["directory"], "-")


def _backslashes(error: Any, command: str, parameters: Parameters, words: Sequence[str]) -> str:
    r"""`--data books\my.txt`, on a system that separates folders by `/`."""
    if os.sep == "\\":
        return ""
    wrong = [word for word in words if "\\" in word]
    return f"Write / between folders: {_typed(*(w.replace(chr(92), '/') for w in words))}" if wrong else ""


HINTS: tuple[tuple[tuple[str, ...], type[Exception], Callable[..., str]], ...] = (
    ((), click.UsageError, _other_command),
    (("run", "show"), click.NoSuchOption, _option_of_recipe),
    (("run", "show"), UnknownNameError, _data_as_recipe),
    (("run", "show"), RecipeError, _data_as_recipe),
    ((), RunError, _run_directory),
    (("score", "states"), SourceError, _text_as_file),
    ((), SourceError, _backslashes),
)
"""The commands (none: all of them), the class of the error, and the function that finds the hint."""


def runs_by_date() -> list[str]:
    """The runs in `runs/`, seeds included, the latest first."""
    found = {path.parent: path.stat().st_mtime for path in Path("runs").glob("**/recipe.toml")}
    return [str(run) for run in sorted(found, key=lambda run: -found[run])]


def _looks_like_a_path(text: str) -> bool:
    return not any(character.isspace() for character in text) and ("/" in text or "." in text or "*" in text)


def _typed(*words: str) -> str:
    return shlex.join(["seqkit", *words])
