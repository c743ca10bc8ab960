from pathlib import Path

import pytest

from seqkit.bench.recipes import PICTURE, RESULT, compare

pytestmark = pytest.mark.ci


def test_recipes_are_trained_on_the_same_data_for_the_same_minutes(text_file: Path) -> None:
    result = compare(
        ["char-rnn", "quickstart"],
        data=str(text_file),
        minutes=0.02,
        seeds=2,
        overrides=["cell.hidden_size=8", "train.batch_size=4", "train.seq_len=20", "train.evaluate_every=5"],
        out="compared",
    )
    assert [row["recipe"] for row in result["recipes"]] == ["char-rnn", "quickstart"]
    for row in result["recipes"]:
        assert len(row["loss"]["values"]) == len(row["curves"]) == 2
        seconds, tokens, losses = zip(*row["curves"][0], strict=True)
        assert list(seconds) == sorted(seconds)
        assert tokens[0] == 5 * 4 * 20
        assert min(losses) == row["loss"]["values"][0]
    assert {path.name for path in Path("compared").iterdir()} == {"char-rnn", "quickstart", PICTURE, RESULT}
