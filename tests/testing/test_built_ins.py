"""The built-in components pass the same checks as third-party components."""

from pathlib import Path

import pytest

from seqkit.cells import RNN, Stacked
from seqkit.testing import (
    CellCase,
    EncoderCase,
    HeadCase,
    SourceCase,
    TokenizerCase,
    parametrize_with_checks,
    run_checks,
)


class TwoLayers(Stacked):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__([RNN(input_size, hidden_size), RNN(hidden_size, hidden_size, output_size=4)])


@parametrize_with_checks(
    [
        CellCase("rnn"),
        CellCase(RNN, hidden_size=6, output_size=3),
        CellCase(TwoLayers),
        *(EncoderCase(name) for name in ("one_hot", "embedding", "raw")),
        *(HeadCase(name) for name in ("linear", "none", "point", "gaussian", "student_t", "quantile")),
        TokenizerCase("char"),
        TokenizerCase("word"),
        TokenizerCase("word", unknown="spell", min_count=2),
    ]
)
def test_components(check) -> None:  # type: ignore[no-untyped-def]
    check()


@pytest.mark.parametrize("splits", [False, True])
def test_text_files(workdir: Path, splits: bool) -> None:
    for name in ("a", "b"):
        Path(f"{name}.txt").write_text(f"{name} ж 👩‍👩‍👧\n" * 100_000)
    path = {"train": "a.txt", "test": "b.txt"} if splits else ["a.txt", "b.txt"]
    case = SourceCase(
        "text", path=path, missing={"path": "nowhere.txt"}, change=lambda: Path("a.txt").write_text("other\n")
    )
    report = run_checks(case)
    assert report.summary == "13 of 13 checks ran, 13 passed"


def test_samples() -> None:
    case = SourceCase(
        "samples",
        missing={"name": "nothing"},
        expected_failures={"fingerprint_follows_the_data": "the text is inside the interpreter"},
    )
    report = run_checks(case)
    assert report.passed, report
    assert report.summary == "13 of 13 checks ran, 12 passed, 1 failed as expected"


def test_the_stocks() -> None:
    case = SourceCase(
        "samples",
        name="stocks",
        missing={"name": "stocks", "symbol": "NONE"},
        expected_failures={"fingerprint_follows_the_data": "the prices are inside an installed package"},
    )
    report = run_checks(case)
    assert report.passed, report


def test_synthetic() -> None:
    case = SourceCase(
        "synthetic",
        rows=60,
        symbols=2,
        expected_failures={
            "fingerprint_follows_the_data": "the prices follow from the settings",
            "missing_data": "there is nothing that could be missing",
        },
    )
    report = run_checks(case)
    assert report.passed, report
