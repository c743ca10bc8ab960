"""The figures of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from seqkit.data.writing import TextCounts


@dataclass(frozen=True)
class Vocabulary:
    """The tokens, and how many of them the training text hardly shows."""

    size: int
    rare: int
    """Tokens that stand in the training text fewer than `rare_below` times; `<unk>` and end do not count."""
    rare_below: int
    rare_share: float
    """Of the training tokens, how many are rare ones."""


@dataclass(frozen=True)
class Speed:
    """What the timed steps took, each with its batch, its backward pass and the optimizer's step."""

    timed_steps: int
    step_ms: float
    tokens_per_s: float
    preparation_s: float
    """What the first steps took longer than others: they trace the cell, or compile it."""
    evaluation_s: float | None
    """One evaluation of the whole validation split, scaled from a part of it; None where there is none."""


@dataclass(frozen=True)
class Expected:
    """What the budget comes to."""

    ended_by: str
    """The limit that is reached first, as `"75 minutes"`."""
    patience: bool
    """Whether it may end earlier, where the validation loss falls no more."""
    steps: int
    epochs: float
    evaluations: int
    preparation_s: float
    training_s: float
    evaluation_s: float
    """Of all evaluations together."""
    total_s: float


@dataclass(frozen=True)
class Memory:
    """In megabytes; None where the system does not tell."""

    place: str
    """`"cpu"`: this process; `"cuda"`: what torch took of the device."""
    growth: float | None
    """By how much making, training and evaluating the model raised the peak; without what is loaded once."""
    available: float | None
    """What could still be had before."""
    process: float | None
    """The peak of the whole process."""
    weights: float
    optimizer: float
    """Its state."""
    checkpoint: float
    """On disk; a run keeps two, the best weights and the last ones."""


@dataclass(frozen=True)
class Plan:
    """What a training will take, and what to change."""

    recipe: str
    cell: str
    tokenizer: str
    device: str
    threads: int
    engine: str
    """The one that ran."""
    parameters: int
    cell_parameters: int
    head_parameters: int
    batch_size: int
    """Rows of a batch; fewer than asked for where the training split is short."""
    steps_per_epoch: int
    vocabulary: Vocabulary
    splits: Mapping[str, TextCounts]
    speed: Speed
    expected: Expected
    memory: Memory
    sizes: Mapping[str, Any] = field(default_factory=dict)
    """Proposed for the amount of data, by the key of the recipe; what suits it is as the recipe has it."""
    warnings: tuple[str, ...] = ()
    """One line each: the figure, and the remedy."""
    overrides: tuple[str, ...] = ()
    """What the sizes and the remedies change, for the command line or `Recipe.override`."""

    @property
    def tokens_per_step(self) -> float:
        """The mean over an epoch."""
        return self.splits["train"].tokens / self.steps_per_epoch

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            **asdict(self),
            "splits": {name: asdict(counts) for name, counts in self.splits.items()},
            "warnings": list(self.warnings),
            "overrides": list(self.overrides),
        }


@dataclass(frozen=True)
class Finding:
    """Something that does not fit, in one line, and what it would change."""

    message: str
    overrides: tuple[str, ...] = ()


def duration(seconds: float) -> str:
    """`"75 s"`, `"4.2 min"` or `"3.1 h"`."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
