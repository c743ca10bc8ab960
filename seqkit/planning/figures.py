"""The figures of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from seqkit.data.writing import TextCounts


@dataclass(frozen=True)
class Vocabulary:
    """The number of tokens, and how many of them are rare in the training text."""

    size: int
    rare: int
    """Tokens that occur in the training text fewer than `rare_below` times; without `<unk>` and the end."""
    rare_below: int
    rare_share: float
    """Share of the training tokens that are rare ones."""


@dataclass(frozen=True)
class Speed:
    """Time of the timed steps, each with its batch, its backward pass and the optimizer's step."""

    timed_steps: int
    step_ms: float
    tokens_per_s: float
    preparation_s: float
    """Extra time of the first steps, which trace the cell or compile it."""
    evaluation_s: float | None
    """One evaluation of the whole validation split, scaled from a part of it; None without such a split."""


@dataclass(frozen=True)
class Expected:
    """Steps, evaluations and time that the budget allows."""

    ended_by: str
    """The limit that is reached first, as `"75 minutes"`."""
    patience: bool
    """Whether training may end earlier, when the validation loss stops falling."""
    steps: int
    epochs: float
    evaluations: int
    preparation_s: float
    training_s: float
    evaluation_s: float
    """Time of all evaluations together."""
    total_s: float


@dataclass(frozen=True)
class Memory:
    """Memory in megabytes; None if the system does not report it."""

    place: str
    """`"cpu"`: memory of this process; `"cuda"`: memory that torch allocated on the device."""
    growth: float | None
    """Rise of the peak by making, training and evaluating the model; without what is loaded only once."""
    available: float | None
    """Memory that was available before the measurement."""
    process: float | None
    """The peak of the whole process."""
    weights: float
    optimizer: float
    """State of the optimizer."""
    checkpoint: float
    """Size on disk of a checkpoint to resume from; a run keeps two, and the best weights."""
    save_s: float | None
    """Seconds to save it in the working directory, as at a signal; None if that is read-only."""


@dataclass(frozen=True)
class Plan:
    """The time and memory of a training, and what to change."""

    recipe: str
    cell: str
    tokenizer: str
    device: str
    threads: int
    engine: str
    """The engine that ran the steps."""
    parameters: int
    cell_parameters: int
    head_parameters: int
    batch_size: int
    """Rows of a batch; fewer than the recipe requests if the training split is short."""
    steps_per_epoch: int
    vocabulary: Vocabulary
    splits: Mapping[str, TextCounts]
    speed: Speed
    expected: Expected
    memory: Memory
    sizes: Mapping[str, Any] = field(default_factory=dict)
    """Sizes proposed for the amount of data, by key of the recipe; a suitable size is left unchanged."""
    warnings: tuple[str, ...] = ()
    """One line each: the figure, and the remedy."""
    overrides: tuple[str, ...] = ()
    """Overrides that apply the sizes and the remedies, for the command line or `Recipe.override`."""

    @property
    def tokens_per_step(self) -> float:
        """Mean number of tokens of a step, over an epoch."""
        return self.splits["train"].tokens / self.steps_per_epoch

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain values, for JSON."""
        return {
            **asdict(self),
            "splits": {name: asdict(counts) for name, counts in self.splits.items()},
            "warnings": list(self.warnings),
            "overrides": list(self.overrides),
        }


@dataclass(frozen=True)
class Finding:
    """A warning in one line, and the overrides that remedy it."""

    message: str
    overrides: tuple[str, ...] = ()


def duration(seconds: float) -> str:
    """A duration in words: `"75 s"`, `"4.2 min"` or `"3.1 h"`."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
