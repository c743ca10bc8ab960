"""Beginning a training with the weights of another run: fine-tuning, and learning what is new."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from seqkit.errors import ContractError, RunError
from seqkit.model import SequenceModel, device_of
from seqkit.recipe import ResolvedRecipe
from seqkit.run import rundir
from seqkit.run.base import Run
from seqkit.run.resuming import differences
from seqkit.tasks import Task
from seqkit.tasks.base import asking
from seqkit.training.checkpoint import best_checkpoint
from seqkit.training.manifest import WEIGHTS, read_manifest

logger = logging.getLogger(__name__)

MAY_DIFFER: Final = frozenset(
    {
        *("model.dropout", "model.encoder_dropout", "model.engine", "model.recompute_every"),
        *("series.split", "series.validation_from", "series.test_from", "series.horizon"),
        *("data.split", "data.seed"),
    }
)
"""Keys, besides those of the source, the training and the sample, that another run's model does not fix."""
LESS_LIKELY: Final = 20.0
"""Nats by which a new token is less likely than the mean token: no loss on the old text changes."""


@dataclass(frozen=True)
class Beginning:
    """What a training takes from another run.

    Args:
        run: the other run, with its best weights.
        kept: what its task keeps, such as a tokenizer, extended if that was requested.
        ids: the id of each of its tokens in the extended vocabulary; None if it was not extended.
    """

    run: Run
    kept: Any
    ids: Sequence[int] | None = None

    def describe(self) -> dict[str, Any]:
        """The entry in the provenance of the new run."""
        return beginning_of(self.run.path)

    def give_weights(self, model: SequenceModel) -> None:
        """Copy the weights into a new model; new tokens get new rows.

        Raises:
            RunError: the model cannot be extended.
        """
        old = {name: value.to(device_of(model)) for name, value in self.run.model.state_dict().items()}
        model.load_state_dict(old if self.ids is None else _widened(old, model, self.ids))
        if self.ids is not None:
            _require_the_same_outputs(self.run.model, model, self.ids)


def beginning_of(path: Path) -> dict[str, Any]:
    """Which weights of which run, for the provenance."""
    best = best_checkpoint(path / rundir.CHECKPOINTS)
    record = read_manifest(best).files.get(WEIGHTS)
    return {
        "path": str(path.resolve()),
        "step": read_manifest(best).step,
        "sha256": None if record is None else record.sha256,
    }


def begin_from(run: Run, recipe: ResolvedRecipe, task: Task, *, extend_vocabulary: bool = False) -> Beginning:
    """What a training of the recipe takes from a run.

    Args:
        run: the run to begin with.
        recipe: the recipe that is to be trained.
        task: its task.
        extend_vocabulary: add the tokens that only the data of the recipe has.
    Raises:
        RunError: the recipe describes another model, or the vocabulary cannot be extended.
    """
    fixed = [
        (key, was, now)
        for key, was, now in differences(run.recipe, recipe)
        if key not in MAY_DIFFER and key.partition(".")[0] not in ("source", "train", "sample")
    ]
    if run.recipe.kind != recipe.kind:
        fixed = [("its kind", run.recipe.kind, recipe.kind)]
    if fixed:
        typed = run.path if os.sep in str(run.path) else f".{os.sep}{run.path}"  # not the name of a recipe
        lines = "\n".join(f"  {key}: {was!r} in {run.path}, {now!r} in the recipe" for key, was, now in fixed)
        raise RunError(
            f"training cannot begin with the weights of {run.path}, which belong to another model:\n{lines}\n"
            f"  Train the run's own recipe: seqkit run {typed} --from {run.path} --data FILE."
        )
    if not extend_vocabulary:
        return Beginning(run, run.kept)
    try:
        with asking(recipe, "the extension of its vocabulary"):
            kept, ids = task.extended(recipe, run.kept)
    except ContractError as error:
        raise RunError(str(error)) from error
    old, new = task.sizes(run.kept).vocab_size or 0, task.sizes(kept).vocab_size or 0
    return Beginning(run, kept, ids if new > old else None)


def _widened(old: Mapping[str, Tensor], model: SequenceModel, ids: Sequence[int]) -> dict[str, Tensor]:
    """The weights of the wider model: old rows as they were, new ones of the encoder as they begin.

    A new token's row of the readout is the mean of the old rows, and its bias lower than their mean, so that
    its probability is almost zero until it is learned.

    Source: the mean, Hewitt (2021), "Initializing new word embeddings for pretrained language models".
    """
    own = model.state_dict()
    places = torch.tensor(ids, device=device_of(model))
    widened = {}
    for name, value in own.items():
        was = old[name]
        dims = [dim for dim in range(value.dim()) if value.shape[dim] != was.shape[dim]]
        if not dims:
            widened[name] = was
            continue
        (dim,) = dims if len(dims) == 1 else (-1,)
        added = value.shape[dim] - len(ids)
        if dim < 0 or was.shape[dim] != len(ids) or added < 1:
            raise RunError(
                f"the vocabulary cannot be extended: the weight {name} has the shape {tuple(was.shape)}, and "
                f"would have {tuple(value.shape)}."
            )
        wider = value.clone()
        of_outputs = name.startswith("head.") or (model.head.passes_on and name.startswith("cell."))
        if dim == 0 and of_outputs:
            wider[:] = was.mean(0) - (LESS_LIKELY + math.log(added) if was.dim() == 1 else 0.0)
        widened[name] = wider.index_copy_(dim, places, was)
    return widened


@torch.no_grad()
def _require_the_same_outputs(old: SequenceModel, new: SequenceModel, ids: Sequence[int]) -> None:
    """Check, on random old tokens, that the wider model predicts the old ones as before.

    Raises:
        RunError: it does not: the cell uses the size of its input in another way.
    """
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(len(ids), (2, 20), generator=generator)
    places = torch.tensor(ids)
    was_training = new.training
    outputs = _outputs(old.eval(), tokens), _outputs(new.eval(), places[tokens])[..., places]
    new.train(was_training)
    if not torch.allclose(*outputs, rtol=1e-4, atol=1e-4):
        raise RunError(
            "the vocabulary cannot be extended: with new rows the model would predict the old tokens "
            "otherwise.\n  Begin without --extend-vocabulary: what the vocabulary lacks is read as unknown."
        )


def _outputs(model: SequenceModel, tokens: Tensor) -> Tensor:
    outputs: Tensor = model(tokens.to(device_of(model)))[0]
    return outputs.float().cpu()
