"""A run: a directory, and the object that opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from seqkit.errors import SourceError, WrongKindError
from seqkit.model import SequenceModel
from seqkit.recipe import ResolvedRecipe
from seqkit.run import rundir
from seqkit.tasks import task_of
from seqkit.training.evaluation import evaluate


class Run:
    """A trained model and all that belongs to it, as `seqkit.train` and `seqkit.load` return it.

    It is a `TextRun` if the recipe's source gives text, and a `SeriesRun` if it gives series. For another
    kind of task it is the class that the plugin declares.

    Args:
        path: the run directory.
        recipe: the recipe that the model was trained with.
        kept: what the task keeps in addition to the model, such as a tokenizer or a scaler.
        model: the model with its weights.
    """

    verbs: ClassVar[str] = "It evaluates: run.evaluate()."
    """What a run of this kind can do; part of the error message for a method that it lacks."""

    def __init__(self, path: Path, recipe: ResolvedRecipe, kept: Any, model: SequenceModel) -> None:
        self.path = path
        self.recipe = recipe
        self.kept = kept
        self.model = model

    def __repr__(self) -> str:
        parts = ", ".join(f"{kind}={part.use!r}" for kind, part in self.recipe.components().items())
        return f"{type(self).__name__}({str(self.path)!r}, {parts})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "recipe" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise WrongKindError(f"a run on {self.recipe.kind} has no {name!r}.\n  {self.verbs}")

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`, in order."""
        return rundir.read_metrics(self.path)

    @property
    def provenance(self) -> dict[str, Any]:
        """Contents of `provenance.json` and `ended.json`: versions, components, seed, data, and the end."""
        return rundir.read_provenance(self.path)

    def evaluate(self, split: str = "test") -> Any:
        """Evaluate the model on a whole split: `split`, and the values of `seqkit.training.evaluate`.

        Raises:
            SourceError: there is no such split.
        """
        train = self.recipe.train
        data = task_of(self.recipe).prepare(self.recipe)
        batches = data.evaluation_batches(train, split)
        if batches is None:
            raise SourceError(f"there is no {split} split.")
        return {
            "split": split,
            **evaluate(self.model, batches, state=train.state, precision=train.precision),
        }
