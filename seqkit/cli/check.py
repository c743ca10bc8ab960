"""`seqkit check`: the conformance kit, without pytest."""

from __future__ import annotations

import sys
from typing import Any

import click

from seqkit.cli.output import json_option, plugin_option, print_json

NO_CHANGE = {"fingerprint_follows_the_data": "the command line does not change the data"}


@click.command("check")
@click.argument("name")
@click.argument("config", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--kind", type=click.Choice(["cell", "tokenizer", "source"]), help="Where NAME is of several.")
@click.option("--missing", multiple=True, metavar="KEY=VALUE", help="Of a source: data that is not there.")
@plugin_option
@json_option
def command(
    name: str,
    config: tuple[str, ...],
    kind: str | None,
    missing: tuple[str, ...],
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Hold the cell, tokenizer or source NAME, with this config, against its contract.

    Exits with 1 where a check fails.
    """
    from dataclasses import asdict

    from seqkit.registry import registry_with
    from seqkit.testing import run_checks

    kind = kind or _kind_of(name, registry_with(plugins))
    report = run_checks(_case(kind, name, _values(config), _values(missing), plugins))
    if as_json:
        print_json({**asdict(report), "kind": kind, "passed": report.passed, "summary": report.summary})
    else:
        told: dict[str, str] = {}  # each message, and the first check that gave it
        for result in report.results:
            if not result.passed:
                first = told.setdefault(result.message, result.check)
                message = result.message if first == result.check else f"(the same error as {first})"
                click.echo(f"FAILED {result.check}: {result.says}\n  {message}")
            elif result.expected_failure is not None:
                click.echo(f"failed as expected: {result.check} ({result.expected_failure})")
        for check in report.not_applicable:
            click.echo(f"does not apply: {check}")
        click.echo(f"{kind} {name}: {report.summary}")
    sys.exit(0 if report.passed else 1)


def _kind_of(name: str, registry: Any) -> str:
    short = name.rpartition(":")[2]
    kinds = [kind for kind in ("cell", "tokenizer", "source") if short in registry.names(kind)]
    if len(kinds) > 1:
        raise click.UsageError(f"{name!r} is a {' and a '.join(kinds)}: say which with --kind.")
    if not kinds:
        from seqkit.errors import UnknownNameError

        known = [name for kind in ("cell", "tokenizer", "source") for name in registry.names(kind)]
        raise UnknownNameError("cell, tokenizer or source", name, known)
    return kinds[0]


def _values(pairs: tuple[str, ...]) -> dict[str, Any]:
    from seqkit.recipe.draft import parse_value

    values = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{pair!r} is no KEY=VALUE.")
        values[key] = parse_value(value)
    return values


def _case(
    kind: str, name: str, config: dict[str, Any], missing: dict[str, Any], plugins: tuple[str, ...]
) -> Any:
    from seqkit.testing import CellCase, SourceCase, TokenizerCase

    if kind == "cell":
        return CellCase(name, plugins=plugins, **config)
    if kind == "tokenizer":
        return TokenizerCase(name, plugins=plugins, **config)
    return SourceCase(name, missing=missing or None, expected_failures=NO_CHANGE, plugins=plugins, **config)
