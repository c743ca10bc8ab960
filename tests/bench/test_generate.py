import math

import pytest

from seqkit.bench.generate import measure


@pytest.mark.ci
def test_the_bare_loop_and_generate_are_timed_in_turn() -> None:
    (row,) = measure(("lstm",), hidden_size=8, tokens=20, repeats=2)  # raises if the two texts differ
    assert row["cell"] == "lstm"
    assert all(math.isfinite(row[name]) and row[name] > 0 for name in ("ratio_min", "ratio", "ratio_max"))
    assert row["bare_tokens_per_s"] > 0
