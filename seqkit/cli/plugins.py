"""`seqkit plugins`: declared components and plugins, where they come from, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import click

from seqkit.cli.foreign import echo
from seqkit.cli.output import json_option, plugin_option, print_json, print_table

COLUMNS = ("name", "kind", "distribution", "version", "path", "status")


@click.command("plugins")
@plugin_option
@json_option
def command(plugins: tuple[str, ...], as_json: bool) -> None:
    """List components, recipes and plugins, with origin and status.

    Components are cells, tokenizers, sources, encoders and heads.
    """
    from seqkit.registry import registry_with

    registry = registry_with(plugins)
    rows = _rows(registry)
    findings = [
        {"plugin": report.name, "distribution": report.origin.distribution, "finding": finding}
        for report in registry.reports
        for finding in report.findings
    ]
    if as_json:
        print_json({"plugins": rows, "findings": findings})
        return
    print_table(COLUMNS, [[row[column] for column in COLUMNS] for row in rows])
    for found in findings:
        echo(f"\n{found['plugin']} ({found['distribution']}): {found['finding']}")


def _rows(registry: Any) -> list[dict[str, str]]:
    from seqkit.registry.registry import KINDS

    declarations = {hook for hook, _ in KINDS.values()}
    rows = []
    status = {id(report.origin): report for report in registry.reports}
    declared = set()
    for kind, entry in registry.entries():
        declared.add(id(entry.origin))
        report = status[id(entry.origin)]
        rows.append(
            _row(entry.declaration.name, kind, entry.origin, "see below" if report.findings else "ok")
        )
    for report in registry.reports:
        behaves = bool(set(report.hooks) - declarations)
        if behaves or id(report.origin) not in declared:
            state = report.status if report.status != "loaded" else "see below" if report.findings else "ok"
            rows.append(_row(report.name, "hooks" if behaves else "plugin", report.origin, state))
    return rows


def _row(name: str, kind: str, origin: Any, status: str) -> dict[str, str]:
    return {
        "name": name,
        "kind": kind,
        "distribution": origin.distribution,
        "version": origin.version,
        "path": origin.path,
        "status": status,
    }
