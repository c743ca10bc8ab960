"""One of the processes that `seqkit bench ranks` times: `python -m seqkit.bench.ranks_process JSON`."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import torch
from torch import nn

from seqkit.recipe import Recipe
from seqkit.registry import registry_with
from seqkit.run.setup import make_training, process_for
from seqkit.tasks import task_of
from seqkit.tasks.components import make_model
from seqkit.training import Trainer
from seqkit.training.joining import joined
from seqkit.training.ranks import Message

WARM_UP_STEPS = 4
EXCHANGES = 100


class Clock:
    """A callback that measures the steps after the first one."""

    def run_started(self, trainer: Any) -> None:
        """Start measuring."""
        self._begin(trainer, 0)

    def step_ended(self, trainer: Any, step: int) -> None:
        """Read the clock."""
        self.seconds, self.steps = time.perf_counter() - self.began, step - self.began_at
        self.rate = (trainer.meter.tokens - self.tokens) / self.seconds
        if step == 1 and not trainer.status.ended_by:  # that one has connected the processes
            self._begin(trainer, 1)

    def _begin(self, trainer: Any, step: int) -> None:
        self.began, self.began_at, self.tokens = time.perf_counter(), step, trainer.meter.tokens


def train(name: str, data: str | None, overrides: list[str], seconds: float, plugins: list[str]) -> Any:
    """Train a recipe for some seconds; returns its speed."""
    registry = registry_with(plugins)
    recipe = Recipe.load(name, registry)
    recipe = recipe.with_data(data) if data else recipe
    budget = ["train.steps=none", "train.epochs=none", f"train.minutes={seconds / 60}"]
    resolved = recipe.override([*overrides, *budget]).resolve(registry)
    options = resolved.train
    with joined() as ranks, process_for(options) as device:
        task = task_of(resolved)
        prepared = task.prepare(resolved)
        model = make_model(resolved, task.sizes(prepared.kept)).to(device)
        ranks.connect(device, options.timeout_minutes, options.compress)
        clock = Clock()
        trainer = Trainer(model, **make_training(options, model), callbacks=[clock], ranks=ranks)
        batches = prepared.training_batches(options)
        trainer.fit(batches, steps=WARM_UP_STEPS)  # which compiles the engine
        trainer.fit(batches, minutes=options.minutes)
    return {
        "tokens_per_s": clock.rate,
        "ms_per_step": clock.seconds / clock.steps * 1e3,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "batch_size": options.batch_size,
    }


def exchange(parameters: int) -> Any:
    """Milliseconds of what the processes exchange in a step: the message, and the gradients of a model."""
    with joined() as ranks:
        ranks.connect(torch.device("cpu"), 10.0, "none")
        weights = nn.Linear(parameters, 1, bias=False)
        wrapped = ranks.wrap(weights, False)
        one, sums = torch.ones(1, parameters), Message(torch.zeros(()), 1, 1)
        times = []
        for _ in range(EXCHANGES):
            ranks.sum()
            began = time.perf_counter()
            weights.zero_grad()
            (weights(one) * 0).sum().backward()
            alone = time.perf_counter() - began
            weights.zero_grad()
            ranks.sum()
            began = time.perf_counter()
            ranks.message(sums)
            wrapped(one).sum().backward()
            times.append(time.perf_counter() - began - alone)
        return {"ms": sorted(times)[len(times) // 2] * 1e3}


if __name__ == "__main__":
    what, arguments = json.loads(sys.argv[1])
    result = train(*arguments) if what == "train" else exchange(*arguments)
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(result))
