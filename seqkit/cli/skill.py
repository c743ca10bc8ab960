"""How the report on series is printed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from seqkit.cli.output import print_table

if TYPE_CHECKING:
    from seqkit.inference.outlook import Outlook
    from seqkit.skill import Comparison, HorizonSkill, SkillReport

NAMES = {"naive": "last value (naive)", "drift": "drift", "moving_average": "mean of 20 rows"}
NORMALS = {"constant": "constant", "ewma": "EWMA"}
TOLD = {"beats": "beats", "ties": "ties with", "loses": "loses to"}
SYMBOLS_SHOWN = 10
MANY = 5
"""Verdicts in one report from which on chance is spoken of."""


def print_report(report: SkillReport) -> None:
    """Splits, tables by horizon, and the verdict."""
    looks = "" if report.test_uses is None else f", used {report.test_uses} times on this machine"
    looks = looks.replace(" 1 times", " once")
    click.echo(
        f"Report: {', '.join(report.symbols)}, {report.head} head, "
        f"{report.seeds} seed{'s' if report.seeds > 1 else ''}, the {report.split} split{looks}\n"
    )
    print_table(
        ("split", "from", "to", "rows"),
        [
            *((name, one["from"], one["to"], f"{one['rows']:,}") for name, one in report.periods.items()),
            ("scaler", report.scaler["from"], report.scaler["to"], f"{report.scaler['rows']:,}"),
        ],
    )
    for skill in report.horizons:
        click.echo()
        _print_horizon(skill)
    if report.by_symbol:
        click.echo()
        _print_symbols(report)
    click.echo()
    for skill in report.horizons:
        click.echo(verdict_line(report, skill))
        if skill.distribution is not None:
            click.echo(distribution_line(skill))
    for warning in warnings_of(report):
        click.echo(f"! {warning}")


def verdict_line(report: SkillReport, skill: HorizonSkill) -> str:
    """The verdict on the point forecast."""
    naive = skill.errors["naive"]
    meaning = {
        "beats": "beats naive",
        "ties": "ties with naive: no detectable skill over the last value",
        "loses": "loses to naive: the last value is the better forecast",
    }[skill.verdict]
    seeds = f"{report.seeds} seed{'s' if report.seeds > 1 else ''}"
    return (
        f"Verdict, {_sessions(skill.horizon)}: the forecast of {', '.join(report.symbols)} {meaning} "
        f"(error {_ratio(naive)} of naive's; {skill.rows:,} rows, {seeds})."
    )


def distribution_line(skill: HorizonSkill) -> str:
    """The verdict on the distribution."""
    assert skill.distribution is not None  # the caller has looked
    said = [
        f"{TOLD[comparison.verdict]} {NORMALS[name]} volatility (CRPS {_ratio(comparison)})"
        for name, comparison in (
            ("constant", skill.distribution.constant),
            ("ewma", skill.distribution.ewma),
        )
    ]
    return f"  Its distribution {said[0]}, and {said[1]}."


def warnings_of(report: SkillReport) -> list[str]:
    """What makes the report worth less."""
    from seqkit.skill.report import MIN_SEEDS

    found = []
    if report.seeds < MIN_SEEDS:
        found.append(
            f"The verdict is provisional: {report.seeds} seed{'s' if report.seeds > 1 else ''}, and "
            f"{MIN_SEEDS} are wanted (--seeds {MIN_SEEDS})."
        )
    verdicts = len(report.horizons) * max(1, len(report.by_symbol) + bool(report.by_symbol))
    if verdicts >= MANY:
        found.append(
            f'There are {verdicts} verdicts here: where there is no skill, one in 40 says "beats" by chance.'
        )
    if report.target == "price":
        found.append(
            "The target is the price, which a test period lifts out of what was trained on: "
            "use series.target=return."
        )
    if report.control is not None:
        beaten, walks = report.control["verdicts"]["beats"], report.control["walks"]
        if report.trustworthy is not False:
            found.append(f"Control: {beaten} of {walks} random walks were beaten, as chance allows.")
        else:
            found.append(
                f"NOT TRUSTWORTHY: the same recipe beats naive on {beaten} of {walks} random walks, "
                "where there is nothing to find."
            )
    return found


def print_outlooks(outlooks: list[Outlook]) -> None:
    """Forecasts in prices."""
    for outlook in outlooks:
        digits = _decimals(outlook.last_price)
        click.echo(f"{outlook.symbol}, after {outlook.last_date}, at {outlook.last_price:,.{digits}f}:")
        ends = outlook.sessions[0].quantiles is not None
        header = ("", "price", "log return", *(("50 %", "90 %") if ends else ()))
        rows = []
        for session in outlook.sessions:
            row = [session.label, f"{session.price:,.{digits}f}", f"{100 * session.log_return:+.2f} %"]
            if session.quantiles is not None:
                for low, high in (("0.25", "0.75"), ("0.05", "0.95")):
                    row.append(
                        f"{session.quantiles[low]:,.{digits}f} to {session.quantiles[high]:,.{digits}f}"
                    )
            rows.append(row)
        print_table(header, rows)
        if not ends:
            click.echo(
                "A point head has no interval: it does not say how sure it is (model.head=student_t does)."
            )
        click.echo()


def _decimals(price: float) -> int:
    """Two, as money has; five digits of a price below ten, such as a currency's."""
    return 2 if price >= 10 else 4 - math.floor(math.log10(price))


def _print_horizon(skill: HorizonSkill) -> None:
    errors = skill.errors
    rows = [
        (
            NAMES[name],
            f"{100 * errors[name].other:.3f} %",
            f"{100 * skill.rmse[name]:.3f} %",
            f"{errors[name].ratio:.4f}",
            "{:.4f} to {:.4f}".format(*errors[name].ratio_interval_95),
            errors[name].verdict,
        )
        for name in NAMES
    ]
    model = (
        "model",
        f"{100 * errors['naive'].model:.3f} %",
        f"{100 * skill.rmse['model']:.3f} %",
        "",
        "",
        "",
    )
    header = (
        f"{_sessions(skill.horizon)}, {skill.rows:,} rows",
        "mean error",
        "RMSE",
        "model's error over it",
        "95 %",
        "the model",
    )
    print_table(header, [model, *rows])
    direction = skill.direction
    low, high = direction.interval_95
    click.echo(
        f"direction: right in {100 * direction.accuracy:.1f} % of the moves (95 %: {100 * low:.1f} to "
        f'{100 * high:.1f}); always "up": {100 * direction.always_up:.1f} %'
    )
    if skill.correlation_with_previous is not None:
        click.echo(
            f"correlation of the forecast with the last return: {skill.correlation_with_previous:+.2f}"
        )
    if skill.distribution is not None:
        found = skill.distribution
        covered = ", ".join(
            f"{NORMALS.get(name, name)} {100 * share:.1f} %" for name, share in found.coverage_90.items()
        )
        click.echo(
            f"CRPS {100 * found.ewma.model:.4f} %; constant volatility {100 * found.constant.other:.4f} %, "
            f"EWMA {100 * found.ewma.other:.4f} %"
        )
        click.echo(f"in the 90 % interval: {covered}")


def _print_symbols(report: SkillReport) -> None:
    rows = []
    for symbol, skills in list(report.by_symbol.items())[:SYMBOLS_SHOWN]:
        for skill in skills:
            spread = skill.distribution
            rows.append(
                (
                    symbol,
                    _sessions(skill.horizon),
                    f"{skill.rows:,}",
                    _ratio(skill.errors["naive"]),
                    skill.verdict,
                    *((_ratio(spread.constant), _ratio(spread.ewma)) if spread else ("", "")),
                )
            )
    print_table(
        ("symbol", "ahead", "rows", "error over naive's", "verdict", "CRPS over constant's", "over EWMA's"),
        rows,
    )
    if len(report.by_symbol) > SYMBOLS_SHOWN:
        click.echo(f"... and {len(report.by_symbol) - SYMBOLS_SHOWN} symbols more (--json has them all)")


def _ratio(comparison: Comparison) -> str:
    low, high = comparison.ratio_interval_95
    return f"{comparison.ratio:.4f} (95 %: {low:.4f} to {high:.4f})"


def _sessions(horizon: int) -> str:
    from seqkit.inference.outlook import session_label

    return session_label(horizon)
