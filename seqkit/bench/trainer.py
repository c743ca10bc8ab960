"""Speed of the trainer compared with a bare loop over the same model and the same batches."""

from __future__ import annotations

import math
import statistics
import time
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from seqkit.cells import RNN
from seqkit.data import Batch
from seqkit.model import SequenceModel
from seqkit.training import Trainer
from seqkit.training.audit import audit, is_audited

VOCAB_SIZE = 65


def measure(
    batch_size: int = 32, seq_len: int = 100, hidden_size: int = 128, *, steps: int = 20, repeats: int = 15
) -> dict[str, Any]:
    """Times of a bare loop, of `Trainer.fit` and of an audit, and the median ratio of the first two.

    The bare loop does forward, backward, clipping, the check that loss and norm are finite, and the
    optimizer's step. Both carry the state and see the same batches.

    Args:
        batch_size, seq_len, hidden_size: the shape.
        steps: number of optimizer steps in each measurement.
        repeats: number of measurements of each, alternating.
    """
    torch.manual_seed(0)
    ids = torch.randint(VOCAB_SIZE, (seq_len + 1, batch_size))
    batches = [Batch(ids[:-1].t(), ids[1:].t())] * steps
    bare = _Bare(hidden_size, batches)
    model, optimizer = _model(hidden_size)
    trainer = Trainer(model, optimizer, state="carry", audit=False)
    bare()
    trainer.fit(batches, steps=steps)
    times: dict[str, list[float]] = {"bare_s": [], "trainer_s": []}
    state = model.cell.initial_state(batch_size)
    for _ in range(repeats):
        times["bare_s"].append(_seconds(bare))
        times["trainer_s"].append(_seconds(lambda: trainer.fit(batches, steps=steps)))
    audits = [_seconds(lambda: audit(model, batches[0], state, "float32", 1)) for _ in range(repeats)]
    ratios = [ours / theirs for theirs, ours in zip(*times.values(), strict=True)]
    return {
        "batch_size": batch_size,
        "seq_len": seq_len,
        "hidden_size": hidden_size,
        "steps": steps,
        "repeats": repeats,
        "engine": model.engine_ran,
        "bare_ms_per_step": statistics.median(times["bare_s"]) / steps * 1e3,
        "trainer_ms_per_step": statistics.median(times["trainer_s"]) / steps * 1e3,
        "audit_ms": statistics.median(audits) * 1e3,
        "audit_shares": {
            steps: _share(steps, audits, times["trainer_s"], each=len(batches)) for steps in (1_000, 10_000)
        },
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


def _model(hidden_size: int) -> tuple[SequenceModel, torch.optim.Optimizer]:
    model = SequenceModel(RNN(VOCAB_SIZE, hidden_size))
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


class _Bare:
    """The loop as a user would write it by hand."""

    def __init__(self, hidden_size: int, batches: list[Batch]) -> None:
        self._model, self._optimizer = _model(hidden_size)
        self._parameters = list(self._model.parameters())
        self._batches = batches

    def __call__(self) -> None:
        state = None
        for inputs, targets, _, _ in self._batches:
            outputs, state = self._model(inputs, state)
            state = state.detach()
            loss = F.cross_entropy(outputs.transpose(0, 1).flatten(0, 1), targets.t().flatten())
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch has not typed it
            norm = nn.utils.clip_grad_norm_(self._parameters, 3.0)
            if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
                raise FloatingPointError
            self._optimizer.step()


def _share(steps: int, audits: list[float], fits: list[float], *, each: int) -> float:
    """Share of the time of a training of `steps` steps that its audits take."""
    count = sum(is_audited(step) for step in range(1, steps + 1))
    return count * statistics.median(audits) / (steps * statistics.median(fits) / each)


def _seconds(function: Any) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
