"""`seqkit check`: the conformance kit, without pytest."""

from __future__ import annotations

import sys
from typing import Any

import click

from seqkit.cli.foreign import echo
from seqkit.cli.output import json_option, plugin_option, print_json
from seqkit.cores import leave_busy_cores

KINDS = ("cell", "tokenizer", "source", "encoder", "head")
NO_CHANGE = {"fingerprint_follows_the_data": "the command line does not change the data"}


@click.command("check")
@click.argument("name")
@click.argument("config", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--kind", type=click.Choice(KINDS), help="Kind of NAME, if it is ambiguous.")
@click.option(
    "--missing",
    multiple=True,
    metavar="KEY=VALUE",
    help="For a source: config of data that does not exist; may be given several times.",
)
@click.option(
    "--expect-failure",
    "expected",
    multiple=True,
    metavar="CHECK=REASON",
    help="Check that has to fail, and the reason; it is an error if it passes. Several may be given.",
)
@plugin_option
@json_option
def command(
    name: str,
    config: tuple[str, ...],
    kind: str | None,
    missing: tuple[str, ...],
    expected: tuple[str, ...],
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check a component, such as a cell, against its contract.

    NAME is a cell, tokenizer, source, encoder or head, and KEY=VALUE sets its config. The exit code is 1 if
    a check fails. For a cell, the command also prints which engine will run it, and why.
    """
    from contextlib import suppress
    from dataclasses import asdict

    from seqkit.errors import ContractError
    from seqkit.registry import registry_with
    from seqkit.testing import engine_for, run_checks

    leave_busy_cores()
    kind = kind or _kind_of(name, registry_with(plugins))
    case = _case(kind, name, _values(config), _values(missing), _pairs(expected), plugins)
    report = run_checks(case)
    engine, reason = None, ""
    if kind == "cell":
        with suppress(ContractError):  # a check has already reported it
            engine, reason = engine_for(case)
    if as_json:
        given = {**asdict(report), "kind": kind, "passed": report.passed, "summary": report.summary}
        print_json({**given, "engine": engine, "engine_reason": reason} if engine else given)
    else:
        alike: dict[str, list[str]] = {}  # each message, and the checks that gave it
        for result in report.results:
            if not result.passed:
                alike.setdefault(result.message, []).append(result.check)
        # Failures that name the contract come first: other errors follow from them.
        for result in sorted(report.results, key=lambda result: not result.names_contract):
            if not result.passed and alike[result.message][0] == result.check:
                echo(f"FAILED {result.check}: {result.says}\n  {result.message}")
                if others := alike[result.message][1:]:
                    echo(f"  The same error in {len(others)} more: {', '.join(others)}")
            elif result.expected_failure is not None:
                echo(f"failed as expected: {result.check} ({result.expected_failure})")
        for check in report.not_applicable:
            click.echo(f"does not apply: {check}")
        click.echo(f"{kind} {name}: {report.summary}")
        if engine:
            echo(f"engine {engine}{': ' + reason if reason else ''}")
    sys.exit(0 if report.passed else 1)


def _kind_of(name: str, registry: Any) -> str:
    short = name.rpartition(":")[2]
    kinds = [kind for kind in KINDS if short in registry.names(kind)]
    if len(kinds) > 1:
        raise click.UsageError(f"{name!r} is a {' and a '.join(kinds)}: choose one with --kind.")
    if not kinds:
        from contextlib import suppress

        from seqkit.errors import UnknownNameError

        for kind in KINDS:
            with suppress(UnknownNameError):
                registry.component(kind, name)  # raises the error of a plugin whose declaration is faulty
        known = [name for kind in KINDS for name in registry.names(kind)]
        raise UnknownNameError(
            "cell, tokenizer, source, encoder or head", name, known, hint="To use one of your own: -p FILE.py"
        )
    return kinds[0]


def _values(pairs: tuple[str, ...]) -> dict[str, Any]:
    from seqkit.recipe.overrides import parse_value

    return {key: parse_value(value) for key, value in _pairs(pairs).items()}


def _pairs(pairs: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{pair!r} is not of the form KEY=VALUE.")
        values[key] = value
    return values


def _case(
    kind: str,
    name: str,
    config: dict[str, Any],
    missing: dict[str, Any],
    expected: dict[str, str],
    plugins: tuple[str, ...],
) -> Any:
    from seqkit.testing import CellCase, EncoderCase, HeadCase, SourceCase, TokenizerCase

    cases: dict[str, Any] = {
        "cell": CellCase,
        "tokenizer": TokenizerCase,
        "encoder": EncoderCase,
        "head": HeadCase,
    }
    if kind in cases:
        return cases[kind](name, plugins=plugins, expected_failures=expected, **config)
    expected = {**NO_CHANGE, **expected}
    return SourceCase(name, missing=missing or None, expected_failures=expected, plugins=plugins, **config)
