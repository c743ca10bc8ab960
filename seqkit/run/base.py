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
    """A trained model and all that belongs to it: what `seqkit.train` and `seqkit.load` return.

    It is a `TextRun` or a `SeriesRun`, as the recipe's source gives text or series, or what the plugin of
    another kind of task declares.

    Args:
        path: of the directory.
        recipe: that it was trained by.
        kept: what the task keeps besides the model, such as a tokenizer or a scaler.
        model: with its weights.
    """

    verbs: ClassVar[str] = "It evaluates: run.evaluate()."
    """What a run of this kind does, for whoever asks for something else."""

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
        """What `provenance.json` says: versions, components, device, seed, fingerprints of the data."""
        described: dict[str, Any] = rundir.read_json(self.path / rundir.PROVENANCE)
        return described

    def evaluate(self, split: str = "test") -> Any:
        """What the model is worth on a whole split: `split`, and what `seqkit.training.evaluate` returns.

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
