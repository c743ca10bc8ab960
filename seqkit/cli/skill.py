"""Printing of the report on series."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from seqkit.cli.foreign import echo
from seqkit.cli.output import print_table
from seqkit.skill.baselines import WITH_DRIFT, label, phrase

if TYPE_CHECKING:
    from seqkit.inference.outlook import Outlook
    from seqkit.skill import Comparison, HorizonSkill, SkillReport

NORMALS = {"constant": "constant", "ewma": "EWMA"}
VERBS = {"beats": "beats", "ties": "ties with", "loses": "loses to"}
SYMBOLS_SHOWN = 10
MANY = 5
"""With this number of verdicts in one report, a warning mentions chance."""


def print_report(report: SkillReport) -> None:
    """Print splits, a table for each horizon, and the verdicts."""
    looks = "" if report.test_uses is None else f", used {report.test_uses} times on this machine"
    looks = looks.replace(" 1 times", " once")
    print_line(
        f"Report: {', '.join(report.symbols)}, {report.head} head, "
        f"{report.seeds} seed{'s' if report.seeds > 1 else ''}, the {report.split} split{looks}"
    )
    click.echo()
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
        print_line(verdict_line(report, skill))
        print_line(error_line(report, skill))
        if skill.distribution is not None:
            print_line(distribution_line(skill))
    for warning in warnings_of(report):
        print_line(f"! {warning}")


def print_line(line: str) -> None:
    """Print a sentence, wrapped to the terminal as the tables are; a pipe or a file gets it on one line."""
    if sys.stdout.isatty():
        line = textwrap.fill(
            line, shutil.get_terminal_size().columns, subsequent_indent="  ", break_long_words=False
        )
    echo(line)


def verdict_line(report: SkillReport, skill: HorizonSkill) -> str:
    """The headline: the verdict on the point forecast, with the name of the best baseline."""
    other, ratio = phrase(skill.baseline), skill.best.ratio
    meaning = {
        "beats": f"beats {other} by {100 * (1 - ratio):.1f} %",
        "ties": f"ties: no detectable skill against {other}",
        "loses": f"loses to {other}, which is the better forecast",
    }[skill.verdict]
    return f"Verdict, {_sessions(skill.horizon)}: the forecast of {', '.join(report.symbols)} {meaning}."


def error_line(report: SkillReport, skill: HorizonSkill) -> str:
    """The figures behind the verdict."""
    seeds = f"{report.seeds} seed{'s' if report.seeds > 1 else ''}"
    judged = f"{skill.rows:,} rows, {seeds}"
    if not skill.best.other:
        return f"  That baseline is exact ({judged})."
    return f"  Its error is {_ratio(skill.best)} of that baseline's ({judged})."


def distribution_line(skill: HorizonSkill) -> str:
    """The verdict on the distribution."""
    assert skill.distribution is not None  # the caller has checked
    said = [
        f"{VERBS[comparison.verdict]} {NORMALS[name]} volatility (CRPS {_ratio(comparison)})"
        for name, comparison in (
            ("constant", skill.distribution.constant),
            ("ewma", skill.distribution.ewma),
        )
    ]
    return f"  Its distribution {said[0]}, and {said[1]}."


def warnings_of(report: SkillReport) -> list[str]:
    """Reasons to trust the report less."""
    from seqkit.skill.report import MIN_SEEDS

    found = []
    if report.seeds < MIN_SEEDS:
        found.append(
            f"The verdict is provisional: {report.seeds} seed{'s' if report.seeds > 1 else ''}, and "
            f"{MIN_SEEDS} are needed (--seeds {MIN_SEEDS})."
        )
    verdicts = len(report.horizons) * max(1, len(report.by_symbol) + bool(report.by_symbol))
    if verdicts >= MANY:
        found.append(
            f'There are {verdicts} verdicts here: without any skill, one in 40 says "beats" by chance.'
        )
    if report.target == "price":
        found.append(
            "The target is the price, which in a test period leaves the range of the training prices: "
            "use series.target=return."
        )
    if report.control is not None:
        beaten, walks = report.control["verdicts"]["beats"], report.control["walks"]
        if report.trustworthy is not False:
            found.append(
                f"Control: {beaten} of {walks} random walks were beaten, which chance alone can explain."
            )
        else:
            found.append(
                f"NOT TRUSTWORTHY: the same recipe beats the best baseline on {beaten} of {walks} random "
                "walks, where there is nothing to find."
            )
    return found


def print_outlooks(outlooks: list[Outlook]) -> None:
    """Print the forecasts, in prices."""
    for outlook in outlooks:
        digits = _decimals(outlook.last_price)
        echo(f"{outlook.symbol}, after {outlook.last_date}, at {outlook.last_price:,.{digits}f}:")
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
            echo(
                "A point head forecasts no interval, so its uncertainty is unknown "
                "(model.head=student_t forecasts one)."
            )
        click.echo()


def _decimals(price: float) -> int:
    """Decimals of a price: two, as for money; five significant digits below ten, as for exchange rates."""
    return 2 if price >= 10 else 4 - math.floor(math.log10(price))


def _print_horizon(skill: HorizonSkill) -> None:
    rows = [
        (
            _name(name) + (" *" if name == skill.baseline else ""),
            f"{100 * found.other:.3f} %",
            f"{100 * skill.rmse[name]:.3f} %",
            f"{found.ratio:.4f}",
            "{:.4f} to {:.4f}".format(*found.ratio_interval_95),
            found.verdict,
        )
        for name, found in skill.errors.items()
    ]
    model = ("model", f"{100 * skill.best.model:.3f} %", f"{100 * skill.rmse['model']:.3f} %", "", "", "")
    head = f"{_sessions(skill.horizon)}, {skill.rows:,} rows"
    print_table((head, "error", "RMSE", "ratio", "95 %", "verdict"), [model, *rows])
    print_line("ratio: the model's mean error over that of the baseline")
    print_line("* the best baseline, chosen on earlier rows; the verdict compares with it")
    direction = skill.direction
    if direction is None:
        print_line("direction: none, because no forecast predicts a change")
    else:
        low, high = direction.interval_95
        print_line(
            f"direction: right in {100 * direction.accuracy:.1f} % of the moves (95 %: {100 * low:.1f} to "
            f'{100 * high:.1f}); always "up": {100 * direction.always_up:.1f} %'
        )
    if skill.correlation_with_previous is not None:
        print_line(
            f"correlation of the forecast with the last return: {skill.correlation_with_previous:+.2f}"
        )
    if skill.distribution is not None:
        found = skill.distribution
        covered = ", ".join(
            f"{NORMALS.get(name, name)} {100 * share:.1f} %" for name, share in found.coverage_90.items()
        )
        print_line(
            f"CRPS {100 * found.ewma.model:.4f} %; constant volatility {100 * found.constant.other:.4f} %, "
            f"EWMA {100 * found.ewma.other:.4f} %"
        )
        print_line(f"in the 90 % interval: {covered}")


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
                    label(skill.baseline),
                    _ratio(skill.best),
                    skill.verdict,
                    *((_ratio(spread.constant), _ratio(spread.ewma)) if spread else ("", "")),
                )
            )
    print_table(
        (
            "symbol",
            "ahead",
            "rows",
            "best baseline",
            "error / baseline's",
            "verdict",
            "CRPS / constant's",
            "CRPS / EWMA's",
        ),
        rows,
    )
    if len(report.by_symbol) > SYMBOLS_SHOWN:
        echo(f"... and {len(report.by_symbol) - SYMBOLS_SHOWN} more symbols (--json has them all)")


def _name(baseline: str) -> str:
    """Name in the table, where a baseline with drift is below the one without."""
    if baseline.endswith(WITH_DRIFT):
        return "  the same with drift"
    return label(baseline) + (" (naive)" if baseline == "naive" else "")


def _ratio(comparison: Comparison) -> str:
    low, high = comparison.ratio_interval_95
    return f"{comparison.ratio:.4f} (95 %: {low:.4f} to {high:.4f})"


def _sessions(horizon: int) -> str:
    from seqkit.inference.outlook import session_label

    return session_label(horizon)
