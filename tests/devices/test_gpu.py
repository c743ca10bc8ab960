"""Every command runs on another device than the CPU: no operation has tensors on two devices."""

from typing import Any

import pytest
import torch

import seqkit
from seqkit import Batch, SequenceModel, Trainer
from seqkit.cells import RNN
from tests.devices.pretend_gpu import GPU, pretend_gpu


class Skipping(torch.optim.SGD):
    """Like PyTorch's fused optimizers, which do not support this device: it skips a step on the device."""

    _step_supports_amp_scaling = True
    found_inf: torch.Tensor | None

    def step(self, closure: Any = None) -> None:
        failed, self.found_inf = self.found_inf, None
        assert failed is not None
        assert failed.is_meta
        super().step()


@pytest.mark.parametrize("encoder", ["one_hot", "embedding"])
def test_a_step_of_training_reads_the_device_every_few_steps(
    monkeypatch: pytest.MonkeyPatch, encoder: Any
) -> None:
    ids = torch.randint(5, (4, 9))
    reset = torch.zeros(4, 8, dtype=torch.bool)
    reset[1, 3] = True
    mask = torch.ones(4, 8, dtype=torch.bool)
    mask[2, 5:] = False
    batches = [
        Batch(ids[:, :-1], ids[:, 1:], mask if step % 2 else None, reset if step % 3 else None)
        for step in range(8)
    ]
    with pretend_gpu(monkeypatch) as gpu:
        model = SequenceModel(RNN(5, 8), encoder=encoder, vocab_size=5, engine="loop", dropout=0.1).to(GPU)
        trainer = Trainer(
            model, Skipping(model.parameters(), lr=0.1), state="carry", audit=False, read_every=4
        )
        gpu.reads = 0
        history = trainer.fit(batches, steps=8)
        assert gpu.reads <= 2 * 2  # the losses of four steps, twice, and one remaining number each
        assert len(history.losses) == 8
        gpu.reads = 0
        assert trainer.evaluate(batches)["tokens"] == 8 * 32 - 4 * 3
        assert gpu.reads <= len(batches)  # at its end


@pytest.mark.parametrize(
    ("documents", "encoder", "state"),
    [pytest.param("joined", "one_hot", "carry", marks=pytest.mark.ci), ("lines", "embedding", "reset")],
)
def test_every_verb_of_a_run_on_text(
    monkeypatch: pytest.MonkeyPatch, tiny_recipe: seqkit.Recipe, documents: str, encoder: str, state: str
) -> None:
    change = [f"data.documents={documents}", f"model.encoder={encoder}", f"train.state={state}"]
    change += ["model.dropout=0.1", "train.steps=6", "train.evaluate_every=3", "train.optimizer=rmsprop"]
    with pretend_gpu(monkeypatch):
        run = seqkit.train(tiny_recipe.override(change), "out")
        assert run.provenance["device"] == str(GPU)
        assert run.evaluate("train")["tokens"] > 500
        for options in ({}, {"temperature": 0, "repetition_penalty": 1.2}):
            assert isinstance(run.generate("the ", max_tokens=5, **options), str)
        assert run.score("the cat\nsat on the mat").tokens
        assert len(run.states("the cat").values)


@pytest.mark.parametrize("head", ["point", "student_t"])
@pytest.mark.ci
def test_every_verb_of_a_run_on_series(monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    recipe = seqkit.Recipe.load("stocks").override(
        [f"model.head={head}", "train.steps=4", "train.optimizer=rmsprop", "train.epochs=none"]
    )
    with pretend_gpu(monkeypatch):
        run = seqkit.train(recipe, "out")
        assert run.evaluate()
        assert run.forecast()
