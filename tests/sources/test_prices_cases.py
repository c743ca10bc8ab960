"""Whole files that were once read wrongly, with the right values in `expected.json`."""

import json
from pathlib import Path
from typing import Any

import pytest

from seqkit.sources import PriceTable, read_prices

FOLDER = Path(__file__).parent / "price_cases"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text("utf-8"))
FINDINGS = {
    "footer_of_several_cells.csv": ("footer", (62,), "left out"),
    "split_without_adjustment.csv": ("largest-move", (32,), "is a fall of 90 % on 2023-02-01"),
}
"""The kind, the lines and part of the message of the warning for a file."""


def facts(table: PriceTable) -> dict[str, Any]:
    dates, prices = table.dates(), table.prices()
    return {
        "rows": table.rows,
        "price_column": table.price_column,
        "dates_first": str(dates[0]),
        "dates_last": str(dates[-1]),
        "prices_first3": prices[:3].tolist(),
        "price_last": prices[-1],
    }


def test_every_file_has_expected_values() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*EXPECTED, "expected.json"}
    assert {name for name, right in EXPECTED.items() if "reports" in right} == set(FINDINGS)


@pytest.mark.parametrize("name", EXPECTED)
def test_it_is_read_correctly(name: str) -> None:
    table = read_prices(FOLDER / name)
    right = {key: value for key, value in EXPECTED[name].items() if key not in ("reports", "or_error")}
    found = facts(table)
    assert {key: found[key] for key in right} == right
    assert len(table.symbols) == 1
    warnings = [finding for finding in table.findings if finding.severity == "warning"]
    if name not in FINDINGS:
        assert not warnings
        return
    kind, lines, says = FINDINGS[name]
    (finding,) = warnings
    assert (finding.kind, finding.lines) == (kind, lines)
    assert says in finding.message
