import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import seqkit


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKIT_CACHE", str(tmp_path / "cache"))
    recipe = seqkit.Recipe.load("quickstart-tensorboard").override(
        [
            "~train.minutes",
            "train.steps=20",
            "train.evaluate_every=10",
            "cell.hidden_size=8",
            "train.seq_len=10",
        ]
    )
    return seqkit.train(recipe, tmp_path / "run", strict_plugins=True)


def test_scalars_and_samples_are_logged(run):
    log = EventAccumulator(str(run.path / "tensorboard"))
    log.Reload()
    scalars = log.Tags()["scalars"]
    assert set(scalars) == {
        "train/loss",
        "train/gradient_norm",
        "train/learning_rate",
        "validation/loss",
        "validation/bits_per_char",
        "validation/perplexity",
    }
    assert [event.step for event in log.Scalars("train/loss")] == [1, 10, 20]
    logged = [event.value for event in log.Scalars("validation/loss")]
    assert logged == pytest.approx(
        [row["loss"] for row in run.metrics if row["split"] == "validation"], rel=1e-6
    )
    texts = log.Tensors("sample/text_summary")
    assert [event.step for event in texts] == [10, 20]
    assert b"    The " in texts[-1].tensor_proto.string_val[0]


def test_logging_changes_nothing_in_training(run, tmp_path):
    plain = seqkit.train(run.recipe.as_recipe(), tmp_path / "plain", plugins=["no:seqkit-tensorboard"])
    assert not (plain.path / "tensorboard").exists()
    losses = [[row["loss"] for row in r.metrics if row["split"] == "validation"] for r in (plain, run)]
    assert losses[0] == losses[1]
