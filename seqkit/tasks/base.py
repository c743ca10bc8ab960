"""The contract of a task: how a source becomes data that a model can be trained on.

A `TaskPlugin` declares a task, with the base class of its sources, the tables of its recipes, the class of
its runs, and the class that prints them on the command line.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import torch

from seqkit.data import Batch, Lanes, Windows
from seqkit.data.writing import OnProgress
from seqkit.engine.trace.lines import step_line
from seqkit.errors import BudgetError, PluginError, RunError, SeqkitError
from seqkit.recipe import ResolvedRecipe, TrainConfig

PLAIN_FILE = re.compile(r"[A-Za-z0-9][\w-]*\.json")

Batches: TypeAlias = Windows | Lanes | list[Batch]


@dataclass(frozen=True)
class Sizes:
    """The sizes of its data that a model needs.

    Args:
        vocab_size: size of the vocabulary of the ids that it reads and predicts; None for numbers.
        features: number of features of each row of numbers.
    """

    vocab_size: int | None = None
    features: int = 1


class TaskData(ABC):
    """The data of a recipe: read, split, and ready for batches."""

    split_override: ClassVar[str] = ""
    """An override that gives a recipe a validation split, for a message."""

    @property
    def kept(self) -> Any:
        """The object that a run needs besides its model, such as a tokenizer; `Task.restore` restores it."""
        return None

    @abstractmethod
    def training_batches(self, train: TrainConfig) -> Batches:
        """The training split, in the order that the state policy requires.

        Raises:
            SourceError: it is too short.
        """

    @abstractmethod
    def evaluation_batches(self, train: TrainConfig, split: str) -> Batches | None:
        """A whole split, each position once; None if there is no such split."""

    def validation_batches(self, train: TrainConfig) -> Batches | None:
        """The validation split; None if there is no such split.

        Raises:
            BudgetError: there is no such split, but `train.patience` depends on it.
        """
        batches = self.evaluation_batches(train, "validation")
        if batches is None and train.patience is not None:
            remedy = (
                f"Give it one, for instance {self.split_override}, or leave"
                if self.split_override
                else "Leave"
            )
            raise BudgetError(
                f"train.patience={train.patience} watches the validation loss, but there is no such split.\n"
                f"  {remedy} the patience out: train.patience=none."
            )
        return batches

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The data's entry in the provenance of a run, as JSON values; `source` is its fingerprint."""

    def saved(self) -> Any:
        """Plain JSON values from which `Task.restore` restores `kept`; None if nothing is kept."""
        return None


class Task(ABC):
    """What a model is trained to do.

    A task has no state: its methods take the recipe as an argument.
    """

    file: ClassVar[str] = "task.json"
    """Name of the file in a run directory that holds `TaskData.saved`."""
    compares_by_loss: ClassVar[bool] = True
    """Whether the seeds of a recipe are compared by their validation losses; else by its report."""

    @abstractmethod
    def prepare(
        self, recipe: ResolvedRecipe, on_progress: OnProgress | None = None, kept: Any = None
    ) -> TaskData:
        """Read the recipe's source, and prepare the data that a model is trained on.

        Args:
            recipe: a recipe of this kind.
            on_progress: called with the number of characters that were read, and of all if it is known.
            kept: what an earlier run keeps, such as its tokenizer: nothing is fitted to the new data.
        Raises:
            SourceError: it cannot be read, or is too short.
        """

    @abstractmethod
    def sizes(self, kept: Any) -> Sizes:
        """The sizes of its data that the model needs."""

    def restore(self, recipe: ResolvedRecipe, saved: Any) -> Any:
        """The object that a run needs besides its model, from the values of `TaskData.saved`.

        Raises:
            RunError: the values are not those of such an object.
        """
        return saved

    def extended(self, recipe: ResolvedRecipe, kept: Any) -> tuple[Any, Sequence[int]]:
        """What an earlier run keeps, extended by what only the recipe's data has.

        Returns:
            The extended object; and from each id of the earlier one to its id in the extended one.
        Raises:
            RunError: runs of this kind cannot be extended.
        """
        raise RunError(f"a run on {recipe.kind} has no vocabulary that could be extended.")

    def loss_unit(self, head: str) -> str:
        """Unit of the loss in its picture, for a head of the model."""
        return "nats per position"


def task_of(recipe: ResolvedRecipe) -> Task:
    """The task that a recipe trains a model for.

    Raises:
        PluginError: the plugin declares something that is not a task, or a file name that a run cannot use.
    """
    with asking(recipe, "its constructor"):
        task = recipe.task.load()()
    if not isinstance(task, Task):
        raise PluginError(f"the target of the task {recipe.kind!r} is not a Task: {type(task).__name__}.")
    if not PLAIN_FILE.fullmatch(task.file) or task.file in ("provenance.json", "report.json", "control.json"):
        raise PluginError(
            f"the task {recipe.kind!r} keeps {task.file!r}; its file should have a name such as task.json "
            "that no other file of a run has."
        )
    return task


@contextmanager
def asking(recipe: ResolvedRecipe, what: str) -> Iterator[None]:
    """Inside, an exception of a third-party task becomes a PluginError that names the task.

    Args:
        recipe: a recipe of its kind.
        what: the part of the task that is requested, for the message.
    """
    try:
        yield
    except (SeqkitError, MemoryError, OSError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # third-party code may raise anything
        if recipe.task.origin.distribution == "seqkit":
            raise
        raise PluginError(
            f"the task {recipe.kind!r} fails in {what}: {type(error).__name__}: {error}{step_line(error)}"
        ) from error
