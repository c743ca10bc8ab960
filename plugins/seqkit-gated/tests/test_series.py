"""The gated cells on series, with the same trainer."""

from pathlib import Path

import pytest

import seqkit


@pytest.mark.parametrize("cell", ["lstm", "gru", "lnlstm", "mingru", "minlstm"])
def test_it_is_trained_judged_and_forecasts(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQKIT_CACHE", str(tmp_path / "cache"))
    recipe = seqkit.Recipe(
        source={"use": "synthetic", "process": "ar1", "rows": 400},
        series={"volatilities": [5], "horizon": 3},
        cell={"use": cell, "hidden_size": 6},
        train={"seq_len": 32, "batch_size": 4, "epochs": 3, "state": "carry", "learning_rate": 1e-2},
    )
    run = seqkit.train(recipe, tmp_path / "run", plugins=["no:tensorboard"])
    losses = [row["loss"] for row in run.metrics if row["split"] == "validation"]
    assert losses[-1] < losses[0]
    report = run.evaluate()
    assert [skill.horizon for skill in report.horizons] == [1, 2, 3]
    (outlook,) = run.forecast()
    widths = [session.quantiles["0.95"] - session.quantiles["0.05"] for session in outlook.sessions]
    assert widths == sorted(widths)
