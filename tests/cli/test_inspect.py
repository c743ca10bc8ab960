import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from seqkit.cli import cli
from seqkit.cli.inspect import command as command_
from seqkit.registry import Registry
from tests import inprocess

FOLDER = Path(__file__).parents[1] / "sources" / "prices"


def inspect(name: str, *options: str) -> str:
    result = CliRunner().invoke(cli, ["inspect", str(FOLDER / name), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def as_json(name: str, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(inspect(name, "--json", *options))
    return found


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as it is typed."""
    return inprocess.command("inspect", *arguments)


def test_json_is_one_object() -> None:
    found = as_json("nasdaq.csv")
    findings = found.pop("findings")
    assert found == {
        "path": str(FOLDER / "nasdaq.csv"),
        "rows": 9,
        "rows_read": 9,
        "form": "single",
        "symbols": ["nasdaq"],
        "rows_by_symbol": {"nasdaq": 9},
        "date_column": "Date",
        "price_column": "Close/Last",
        "columns": ["volume", "open", "high", "low"],
        "first_date": "2024-12-03",
        "last_date": "2024-12-13",
        "first_price": 185.02,
        "last_price": 191.38,
        "order": "descending",
        "delimiter": ",",
        "decimal": ".",
        "encoding": "utf-8",
    }
    assert [finding["kind"] for finding in findings[:2]] == ["largest-move", "longest-gap"]
    assert findings[1] == {
        "severity": "info",
        "kind": "longest-gap",
        "line": 6,
        "lines": [6],
        "rows": 0,
        "message": "the longest gap is 3 days: no row between 2024-12-06 and 2024-12-09 (line 6)",
        "remedy": "",
    }


def test_findings_name_their_lines() -> None:
    findings = as_json("fred.csv")["findings"]
    assert [finding["lines"] for finding in findings if finding["kind"] == "missing-price"] == [[6, 9]]


def test_it_can_be_read() -> None:
    output = inspect("german.csv")
    assert "rows     8 of 8, descending" in output
    assert "form     single, 1 symbol: german" in output
    assert "columns  Datum (date), Schlusskurs (price), open, high, low, volume, Volumen" in output
    assert "prices   german: 7.72 on 2008-09-01, 7.7 on 2008-09-10" in output
    assert "dialect  delimiter ';', decimal ',', utf-8" in output
    lines = inspect("yahoo.csv").splitlines()
    assert [line.split() for line in lines if "warning" in line] == [
        ["6", "warning", "1", "row", "without", "a", "price:", "left", "out", "(line", "6)"]
    ]


def test_options() -> None:
    assert as_json("long.csv", "--symbol", "AAPL", "--symbol", "TRUE")["symbols"] == ["AAPL", "TRUE"]
    assert as_json("yahoo.csv", "--price", "Close")["last_price"] == 127.31
    Path("us.csv").write_text("Date,Close\n03/04/2021,1\n")
    assert as_json(str(Path("us.csv").absolute()), "--date-format", "%m/%d/%Y")["first_date"] == "2021-03-04"


def test_it_takes_all_options_of_the_source() -> None:
    config = Registry().component("source", "prices").declaration.config
    known = {name for option in command_.params for name in option.opts}
    assert {f"--{name.replace('_', '-')}" for name in config.model_fields if name != "path"} <= known
    Path("odd.csv").write_text("Tag;Wer;Wert\n03.04.2021;A;1,5\n04.04.2021;B;2,5\n")
    given = ["--date", "Tag", "--symbol-column", "Wer", "--price", "Wert", "--decimal", ","]
    given += ["--delimiter", ";"]
    found = as_json(str(Path("odd.csv").absolute()), *given, "--date-format", "%m.%d.%Y", "--panel")
    assert (found["symbols"], found["first_date"], found["last_price"]) == (["A", "B"], "2021-03-04", 1.5)
    found = as_json(str(Path("odd.csv").absolute()), *given, "--symbol", "B")
    assert (found["symbols"], found["last_price"]) == (["B"], 2.5)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("Datum;Wert\n2021-05-14;1\n", [], "pass --price Wert."),
        ("Datum;Mein Wert\n2021-05-14;1\n", [], "pass --price 'Mein Wert'."),
        ("Date,Close\n03/04/2021,1\n", [], "--date-format %d/%m/%Y or --date-format %m/%d/%Y."),
        ("Q,Close\nQ1,1\n", [], "for example --date Q, and --date-format if their format is unusual."),
        ("Date,Close\n2021-05-14,1\n", ["--price", "Cloes"], "'Cloes' (--price). Did you mean 'Close'?"),
        (
            "Date,Close\n2021-05-14,1\n",
            ["--decimal", "x"],
            '--decimal x: the decimal mark must be "." or ",".',
        ),
        ("Date,Close\n2021-05-14,1\n", ["--delimiter", "xy"], "--delimiter xy: the delimiter must be one "),
        (
            "Date,Close\n2021-05-14,1\n2021-05-17,x\n",
            [],
            "If the file has another decimal mark, pass --decimal ,.",
        ),
        ("Date,Art,Close\n2021-05-14,A,1\n2021-05-14,B,2\n", [], "name their column: --symbol-column Art."),
    ],
)  # fmt: skip
def test_messages_name_options_as_they_are_typed(text: str, options: list[str], message: str) -> None:
    Path("bad.csv").write_text(text)
    done = command("bad.csv", *options)
    assert done.returncode == 2
    assert message in done.stderr


def test_numbers_are_written_in_full() -> None:
    Path("long.csv").write_text("Date,Close\n2016-01-04,1234567.89\n2021-01-04,0.0000711\n")
    output = inspect(str(Path("long.csv").absolute()))
    assert "prices   long: 1,234,567.89 on 2016-01-04, 0.0000711 on 2021-01-04" in output
    assert "the longest gap is 1,827 days: no row between" in output
    assert "from 1,234,567.89 to 0.0000711" in output
    Path("short.csv").write_text("Date,Close\n2021-01-04 09:30,273.36\n2021-01-04 10:00,273.36000000000001\n")
    output = inspect(str(Path("short.csv").absolute()))
    assert "273.36 on 2021-01-04T09:30:00, 273.36 on" in output
    assert "the longest gap is 30 minutes" in output


@pytest.mark.parametrize("as_json", [False, True])
def test_a_file_with_errors_is_shown_and_refused(as_json: bool) -> None:
    Path("bad.csv").write_text("Date,Close\n2021-05-14,1\n2021-05-17,x\n2021-05-18,-1\n2021-05-19,4\n")
    done = command("bad.csv", *(["--json"] if as_json else []))
    assert done.returncode == 2
    assert done.stderr.startswith("Error: bad.csv: line 3, column 'Close': 'x' is not a number.\n")
    assert "Traceback" not in done.stderr
    if as_json:
        found = json.loads(done.stdout)
        assert (found["rows"], found["rows_read"]) == (2, 4)
        errors = [finding for finding in found["findings"] if finding["severity"] == "error"]
        assert [(error["kind"], error["line"], error["rows"]) for error in errors] == [
            ("not-a-number", 3, 1),
            ("not-positive", 4, 1),
        ]
        assert all(error["remedy"] for error in errors)
    else:
        assert "line 4, column 'Close': the price is -1; log returns need positive prices" in done.stdout


def test_a_file_without_a_row_is_shown() -> None:
    Path("bad.csv").write_text("Date,Close\n2021-05-14,null\n")
    done = command("bad.csv", "--json")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert (found["rows"], found["symbols"], found["first_date"], found["last_price"]) == (0, [], None, None)
    assert "rows     0 of 1" in command("bad.csv").stdout


def test_a_file_that_is_not_a_table() -> None:
    Path("bad.csv").write_text('{"Note": "slow down"}')
    done = command("bad.csv", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith('Error: bad.csv is JSON, not CSV: it starts with {"Note": "slow down"}\n')
