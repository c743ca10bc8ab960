"""A run: a directory, and the object that opens it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from seqkit import rundir
from seqkit.errors import WrongKindError
from seqkit.model import SequenceModel
from seqkit.recipe import ResolvedRecipe

TEXT_ANSWERS = (
    "tokenizer",
    "generate",
    "stream",
    "copies",
    "novelty",
    "training_text",
    "open_text",
    "score",
    "score_blocks",
    "states",
)
SERIES_ANSWERS = ("forecast", "scaler", "leaks")


class Run(ABC):
    """A trained model and all that belongs to it: what `seqkit.train` and `seqkit.load` return.

    It is a `TextRun` or a `SeriesRun`, as the recipe's source gives text or series.
    """

    def __init__(self, path: Path, recipe: ResolvedRecipe, model: SequenceModel) -> None:
        self.path = path
        self.recipe = recipe
        self.model = model

    def __repr__(self) -> str:
        parts = ", ".join(f"{kind}={part.use!r}" for kind, part in self.recipe.components().items())
        return f"{type(self).__name__}({str(self.path)!r}, {parts})"

    def __getattr__(self, name: str) -> Any:
        if name in TEXT_ANSWERS:
            raise WrongKindError(
                f"a run on series has no {name!r}: there is no text in it.\n"
                "  It forecasts: run.forecast(), or seqkit forecast DIR."
            )
        if name in SERIES_ANSWERS:
            raise WrongKindError(
                f"a run on text has no {name!r}: there are no dates in it.\n"
                "  It writes and scores text: run.generate(), run.score(TEXT)."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`, in order."""
        return rundir.read_metrics(self.path)

    @property
    def provenance(self) -> dict[str, Any]:
        """What `provenance.json` says: versions, components, device, seed, fingerprints of the data."""
        described: dict[str, Any] = rundir.read_json(self.path / rundir.PROVENANCE)
        return described

    @abstractmethod
    def evaluate(self, split: str = "test", data: Any = None) -> Any:
        """What the model is worth on a whole split."""
