"""The contract of a task: how a source becomes data that a model can be trained on.

A `TaskPlugin` declares one, with the base class of its sources, the tables of its recipes, the class of
its runs, and what the command line prints of them.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import torch

from seqkit.data import Batch, Lanes, Windows
from seqkit.data.writing import OnProgress
from seqkit.engine.trace.lines import step_line
from seqkit.errors import BudgetError, PluginError, SeqkitError
from seqkit.recipe import ResolvedRecipe, TrainConfig

PLAIN_FILE = re.compile(r"[A-Za-z0-9][\w-]*\.json")

Batches: TypeAlias = Windows | Lanes | list[Batch]


@dataclass(frozen=True)
class Sizes:
    """What a model has to know of its data.

    Args:
        vocab_size: of the ids that it reads and predicts; None for numbers.
        features: that each row of numbers has.
    """

    vocab_size: int | None = None
    features: int = 1


class TaskData(ABC):
    """The data of a recipe: read, split, and ready for batches."""

    split_override: ClassVar[str] = ""
    """An override that gives a recipe without a validation split one, for a message."""

    @property
    def kept(self) -> Any:
        """What a run needs besides its model, such as a tokenizer; `Task.restore` makes it again."""
        return None

    @abstractmethod
    def training_batches(self, train: TrainConfig) -> Batches:
        """The training split, in the order that the state policy asks for.

        Raises:
            SourceError: it is too short.
        """

    @abstractmethod
    def evaluation_batches(self, train: TrainConfig, split: str) -> Batches | None:
        """A whole split, each position once; None where there is no such split."""

    def validation_batches(self, train: TrainConfig) -> Batches | None:
        """The validation split; None where there is none.

        Raises:
            BudgetError: there is none, and `train.patience` is to watch it.
        """
        batches = self.evaluation_batches(train, "validation")
        if batches is None and train.patience is not None:
            remedy = (
                f"Give it one, for instance {self.split_override}, or leave"
                if self.split_override
                else "Leave"
            )
            raise BudgetError(
                f"train.patience={train.patience} watches the validation loss, and there is no such split.\n"
                f"  {remedy} the patience out: train.patience=none."
            )
        return batches

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What the provenance of a run says of its data, as JSON values; `source` is its fingerprint."""

    def saved(self) -> Any:
        """What `Task.restore` makes the kept thing of, as plain JSON values; None where nothing is kept."""
        return None


class Task(ABC):
    """What a model is trained to do.

    A task has no state: what a recipe says is handed to it.
    """

    file: ClassVar[str] = "task.json"
    """The name of the file in a run directory that holds `TaskData.saved`."""
    compares_by_loss: ClassVar[bool] = True
    """Whether the seeds of a recipe are compared by their validation losses; else its report judges them."""

    @abstractmethod
    def prepare(self, recipe: ResolvedRecipe, on_progress: OnProgress | None = None) -> TaskData:
        """Read the recipe's source, and make of it what a model is trained on.

        Raises:
            SourceError: it cannot be read, or is too short.
        """

    @abstractmethod
    def sizes(self, kept: Any) -> Sizes:
        """What the model has to know."""

    def restore(self, recipe: ResolvedRecipe, saved: Any) -> Any:
        """What a run needs besides its model, from what `TaskData.saved` gave.

        Raises:
            RunError: it is not that.
        """
        return saved

    def loss_unit(self, head: str) -> str:
        """Of the picture of the loss, by the head of the model."""
        return "nats per position"


def task_of(recipe: ResolvedRecipe) -> Task:
    """The task that a recipe trains a model to do.

    Raises:
        PluginError: its plugin declares something else, or its file cannot be one of a run.
    """
    with asking(recipe, "its constructor"):
        task = recipe.task.load()()
    if not isinstance(task, Task):
        raise PluginError(f"the target of the task {recipe.kind!r} is not a Task: {type(task).__name__}.")
    if not PLAIN_FILE.fullmatch(task.file) or task.file in ("provenance.json", "report.json", "control.json"):
        raise PluginError(
            f"the task {recipe.kind!r} keeps {task.file!r}; it should be a name like task.json that no other "
            "file of a run has."
        )
    return task


@contextmanager
def asking(recipe: ResolvedRecipe, what: str) -> Iterator[None]:
    """What a stranger's task raises inside is a PluginError that names it.

    Args:
        recipe: of the kind.
        what: is asked of the task.
    """
    try:
        yield
    except (SeqkitError, MemoryError, OSError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever it raises
        if recipe.task.origin.distribution == "seqkit":
            raise
        raise PluginError(
            f"the task {recipe.kind!r} fails in {what}: {type(error).__name__}: {error}{step_line(error)}"
        ) from error
