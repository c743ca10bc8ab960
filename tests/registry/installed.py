"""Distributions that are installed for a test: metadata, an entry point and a module on the path."""

from __future__ import annotations

import textwrap
from pathlib import Path


def install(
    site: Path,
    distribution: str,
    modules: dict[str, str],
    *,
    entry_points: dict[str, str] | None = None,
    version: str = "1.0",
    requires: tuple[str, ...] = (),
) -> None:
    """Write a distribution into a folder that is on the path.

    Args:
        site: the folder.
        distribution: its name.
        modules: the text of its modules, by name.
        entry_points: its entry points in the group `seqkit`; by default the first module, under its own name.
        version: its version.
        requires: its requirements.
    """
    for name, text in modules.items():
        path = site / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")
    first = next(iter(modules))
    points = {first: first} if entry_points is None else entry_points
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    (info / "METADATA").write_text("\n".join(lines) + "\n", "utf-8")
    listed = "\n".join(f"{name} = {target}" for name, target in points.items())
    (info / "entry_points.txt").write_text(f"[seqkit]\n{listed}\n", "utf-8")


CELL = """
from seqkit.plugin import CellConfig, CellPlugin, hookimpl

class Config(CellConfig):
    "A cell."
    hidden_size: int = 8
    decay: float = 0.9

@hookimpl
def seqkit_cells():
    return [CellPlugin("{name}", Config, "{target}")]
"""


def cell_module(name: str, target: str) -> str:
    """The text of a module that declares a cell."""
    return CELL.format(name=name, target=target)


LEAKY = """
import torch
from torch import nn
from seqkit.plugin import Cell

class Leaky(Cell):
    def __init__(self, input_size, hidden_size, decay=0.9):
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.decay = decay
        self.mix = nn.Linear(input_size + hidden_size, hidden_size)

    def step(self, x, state):
        state = self.decay * state + (1 - self.decay) * torch.tanh(self.mix(torch.cat([x, state], 1)))
        return state, state
"""
