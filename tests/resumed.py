"""One part of the training of many runs, in a process of its own: `python -m tests.resumed PART FIRST LAST`.

Parts 0, 1 and 2 end in the middle of an epoch, at the end of one, and where an evaluation is due. Part 3 goes
on to the end, and trains each run again without an interruption. Then it compares.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import seqkit
from tests.conftest import LINES
from tests.run.test_resume import content
from tests.run.test_series import price_file

CELLS = '''
import torch
from torch import nn
from seqkit.cells import Cell
from seqkit.plugin import CellConfig, CellPlugin, hookimpl

class Both(Cell):
    """Its state is a dict."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size = input_size
        self.output_size = hidden_size
        self.both = nn.Linear(input_size + hidden_size, hidden_size)

    def initial_state(self, batch_size):
        return {"seen": self.zeros(batch_size, self.output_size), "count": self.zeros(batch_size, 1)}

    def step(self, x, state):
        seen = torch.tanh(self.both(torch.cat([x, state["seen"]], 1))) + state["count"] / 100
        return seen, {"seen": seen, "count": state["count"] + 1}

class Stateless(Cell):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size = input_size
        self.output_size = hidden_size
        self.out = nn.Linear(input_size, hidden_size)

    def initial_state(self, batch_size):
        return ()

    def step(self, x, state):
        return torch.tanh(self.out(x)), ()

class Config(CellConfig):
    hidden_size: int = 12

@hookimpl
def seqkit_cells():
    return [CellPlugin("both", Config, Both), CellPlugin("stateless", Config, Stateless)]
'''
KINDS = {
    "rnn": ["cell.use=rnn"],
    "lstm-lstm": ["cell.use=lstm", "model.layers=2"],
    "dict": ["cell.use=both"],
    "stateless": ["cell.use=stateless"],
}
VARIANTS: tuple[list[str], ...] = (
    [],
    ["train.optimizer=sgd", "train.momentum=0.9", "train.schedule=constant"],
    ["train.patience=50", "train.warmup_steps=7", "train.weight_decay=0.1"],
    ["train.loss_over_time=sum", "train.clip_norm=0.5", "train.learning_rate=0.001"],
)
ALL = list(product(VARIANTS, KINDS, ("carry", "reset"), ("text", "prices")))
PLUGINS = ["./cells.py"]


class Stop:
    """Ends a part of a training."""

    def __init__(self, part: int) -> None:
        self.part = part

    def step_finished(self, trainer: Any, step: int, metrics: Any) -> None:
        if (self.part == 0 and step == 5) or (self.part == 2 and step % 8 == 0):
            raise KeyboardInterrupt  # in part 2 an evaluation is due

    def step_ended(self, trainer: Any, step: int) -> None:
        if self.part == 1 and trainer.status.batch == 0:
            raise KeyboardInterrupt


def recipe_of(number: int) -> seqkit.Recipe:
    changes, cell, state, data = ALL[number]
    tables: dict[str, Any] = {
        "source": {"use": "text", "path": "my.txt"}
        if data == "text"
        else {"use": "prices", "path": "my.csv"},
        "cell": {"use": "rnn", "hidden_size": 12},
        "train": {"batch_size": 8, "seq_len": 20, "steps": 41, "evaluate_every": 8, "log_every": 3},
    }
    recipe = seqkit.Recipe(name=f"run-{number}", **tables)
    changes = [*KINDS[cell], f"train.state={state}", "model.dropout=0.2", "train.save_every=6", *changes]
    return recipe.override(changes)


def main(part: int, first: int, last: int) -> None:
    os.environ["SEQKIT_DISABLE_PLUGINS"] = ""  # tests.conftest has disabled those of this repository
    if part == 0:
        Path("my.txt").write_text("".join(f"{LINES[i * i % 4]}, said {i % 7}.\n" for i in range(60)), "utf-8")
        price_file("my.csv", 700)
        Path("cells.py").write_text(CELLS, "utf-8")
    for number in range(first, last):
        recipe, out = recipe_of(number), f"cut-{number}"
        callbacks = [] if part == 3 else [Stop(part)]
        with suppress(KeyboardInterrupt):
            seqkit.train(recipe, out, resume=True, plugins=PLUGINS, callbacks=callbacks)
            assert part == 3, "it was to be interrupted"
        if part == 3:
            seqkit.train(recipe, f"whole-{number}", plugins=PLUGINS)
            assert content(out) == content(f"whole-{number}"), ALL[number]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
