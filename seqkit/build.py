"""From a resolved recipe to the objects that it describes."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seqkit.cells import Cell, Stacked
from seqkit.data import Corpus, DocumentSplits, Lanes, Splits, TextSplits, Windows, build_corpus
from seqkit.data.batches import UNKNOWN_CHARACTER_BITS
from seqkit.data.cache import trained_tokenizer
from seqkit.data.writing import OnProgress
from seqkit.errors import ContractError, SourceError
from seqkit.model import SequenceModel
from seqkit.recipe import Component, Recipe, ResolvedRecipe, TrainConfig
from seqkit.registry import Registry
from seqkit.sources import TextFiles, TextSource
from seqkit.sources.text import Paths
from seqkit.tokenizers import Tokenizer
from seqkit.tokenizers.documents import with_end
from seqkit.training import make_optimizer, make_schedule

logger = logging.getLogger(__name__)

EVALUATION_LANES = 16
"""Carried evaluation reads so many lanes whatever the batch size, so that figures compare."""


@dataclass(frozen=True)
class TextData:
    """A text, split and tokenised."""

    splits: Splits
    tokenizer: Tokenizer
    corpus: Corpus

    def reading(self, split: str) -> dict[str, Any]:
        """How windows of a split are read: after which token, where they start anew, what they stand for."""
        return {
            "start_id": self.tokenizer.start_id,
            "end_id": self.tokenizer.end_id if self.splits.apart else None,
            "counts": self.corpus.counts[split],
        }

    def warn_of_unknown_characters(self) -> None:
        """Log how many characters the vocabulary lacks: they weigh on the bits per character."""
        for split, counts in self.corpus.counts.items():
            if counts.unknown_characters:
                logger.warning(
                    "%d characters of the %s split are not in the vocabulary; each costs %.1f bits more",
                    counts.unknown_characters,
                    split,
                    UNKNOWN_CHARACTER_BITS,
                )


def resolved(recipe: Recipe | ResolvedRecipe | str | Path, registry: Registry) -> ResolvedRecipe:
    """A recipe, or that by a name or a path, resolved.

    Raises:
        UnknownNameError: no recipe has that name.
        RecipeError: with every fault of the recipe.
    """
    if isinstance(recipe, str | Path):
        recipe = Recipe.load(recipe, registry)
    return recipe.resolve(registry) if isinstance(recipe, Recipe) else recipe


def open_source(component: Component) -> TextSource:
    """The source that a recipe names."""
    source = _made(component)
    if not isinstance(source, TextSource):
        raise ContractError(f"the source {component.use!r} is no TextSource: {type(source).__name__}.")
    return source


def _made(component: Component, *arguments: Any) -> Any:
    """The object that a component makes of its config.

    Raises:
        ContractError: its constructor does not take a field of its config.
    """
    target = component.entry.declaration.load()
    try:
        inspect.signature(target).bind(*arguments, **component.options())
    except TypeError as error:
        raise ContractError(f"{component.use!r} does not take its own config: {error}.") from error
    return target(*arguments, **component.options())


def text_files(recipe: ResolvedRecipe, path: Paths) -> TextFiles:
    """Another text, read as the recipe reads its own: encoding, newlines and all."""
    given = recipe.source.options() if recipe.source.use == "text" else {}
    return TextFiles(**{**given, "path": path})


def split_text(
    recipe: ResolvedRecipe, source: TextSource, fractions: tuple[float, float, float] | None
) -> Splits:
    """The splits of a source, documents joined or kept apart as the recipe says."""
    data = recipe.data
    if data.documents == "joined":
        return TextSplits(source, fractions)
    return DocumentSplits(source, fractions, lines=data.documents == "lines", seed=data.seed)


def open_tokenizer(recipe: ResolvedRecipe, saved: dict[str, Any]) -> Tokenizer:
    """The tokenizer of a run, from what it saved."""
    tokenizer_class: Any = recipe.tokenizer.entry.declaration.load()
    tokenizer: Tokenizer = tokenizer_class.from_json(saved)
    return tokenizer if recipe.data.documents == "joined" else with_end(tokenizer)


def prepare_text(
    recipe: ResolvedRecipe, tokenizer: Tokenizer | None = None, on_progress: OnProgress | None = None
) -> TextData:
    """Split and tokenise the recipe's source; without a tokenizer, one is trained on its training split."""
    splits = split_text(recipe, open_source(recipe.source), recipe.data.split)
    if tokenizer is None:
        declared = recipe.tokenizer.entry.declaration.load()
        trained = trained_tokenizer(splits, declared, recipe.tokenizer.options())
        tokenizer = with_end(trained) if splits.apart else trained
    return TextData(splits, tokenizer, build_corpus(splits, tokenizer, on_progress=on_progress))


def outline_model(recipe: ResolvedRecipe, vocab_size: int) -> SequenceModel:
    """The model that the recipe describes without numbers in it: its parameters can be counted."""
    with torch.device("meta"):
        return make_model(recipe, vocab_size)


def make_model(recipe: ResolvedRecipe, vocab_size: int) -> SequenceModel:
    """The model that the recipe describes, with fresh weights."""
    model = recipe.model
    sizes = {"one_hot": vocab_size, "embedding": model.embedding_size, "raw": 1}
    cells: list[Cell] = []
    for _ in range(model.layers):
        input_size = cells[-1].output_size if cells else sizes[model.encoder]
        cells.append(_made(recipe.cell, input_size))
    return SequenceModel(
        cells[0] if len(cells) == 1 else Stacked(cells),
        encoder=model.encoder,
        head=model.head,
        vocab_size=vocab_size,
        dropout=model.dropout,
        encoder_dropout=model.encoder_dropout,
        engine=model.engine,
    )


def training_batches(train: TrainConfig, data: TextData) -> Windows | Lanes:
    """The training split, in the order that the state policy asks for.

    Raises:
        SourceError: it is shorter than one window.
    """
    counts = data.corpus.counts["train"]
    if counts.tokens < train.seq_len:
        raise SourceError(
            f"the training split has {counts.tokens} tokens, less than one window of train.seq_len = "
            f"{train.seq_len}.\n"
            f"  Give more text, or a smaller window: train.seq_len={max(1, counts.tokens // 2)}."
        )
    ids, read = data.corpus.ids("train"), data.reading("train")
    if train.state == "reset":
        return Windows(
            ids,
            batch_size=train.batch_size,
            seq_len=train.seq_len,
            shuffle_seed=train.seed,
            **read,
        )
    return Lanes(ids, lanes=train.batch_size, seq_len=train.seq_len, **read)


def evaluation_batches(train: TrainConfig, data: TextData, split: str) -> Windows | Lanes:
    """A whole split, read as the state policy says, every position counted once."""
    ids, read = data.corpus.ids(split), data.reading(split)
    if train.state == "reset":
        return Windows(ids, batch_size=train.batch_size, seq_len=train.seq_len, **read)
    return Lanes(ids, lanes=EVALUATION_LANES, seq_len=train.seq_len, **read)


def validation_batches(train: TrainConfig, data: TextData) -> Windows | Lanes | None:
    """The validation split; None where there is none."""
    counts = data.corpus.counts.get("validation")
    if counts is None or not counts.tokens:
        return None
    return evaluation_batches(train, data, "validation")


def warn_of_short_splits(
    train: TrainConfig, batches: Windows | Lanes, validation: Windows | Lanes | None
) -> None:
    """Log where the training split gives fewer lanes than asked for, and where nothing is validated."""
    if isinstance(batches, Lanes) and batches.lanes < train.batch_size:
        logger.warning(
            "the training split has room for %d lanes of one window, not for train.batch_size = %d",
            batches.lanes,
            train.batch_size,
        )
    if validation is None:
        logger.warning("there is no validation split: the last weights are kept, not the best")


def make_training(train: TrainConfig, model: SequenceModel) -> dict[str, Any]:
    """The keywords of the trainer: optimizer, schedule and the rest of the `[train]` table."""
    return {
        "optimizer": make_optimizer(
            train.optimizer,
            model.parameters(),
            learning_rate=train.learning_rate,
            weight_decay=train.weight_decay,
            momentum=train.momentum,
        ),
        "schedule": make_schedule(
            train.schedule, warmup_steps=train.warmup_steps, final_fraction=train.final_fraction
        ),
        "clip_norm": train.clip_norm,
        "state": train.state,
        "loss_over_time": train.loss_over_time,
        "precision": train.precision,
    }


@contextmanager
def seed_and_threads(seed: int, threads: int) -> Iterator[None]:
    """Torch's random stream and thread count are the run's inside, and afterwards as they were."""
    before = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if threads:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def choose_device(name: str) -> torch.device:
    """`"auto"` is cuda where there is one, else cpu.

    Raises:
        ContractError: torch knows no such device, or has none here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
        if device.type == "meta":
            raise RuntimeError("it holds no numbers")
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        reason = f" ({reason})" if len(reason) < 80 else ""
        raise ContractError(
            f"the device {name!r} cannot be used here{reason}.\n"
            "  Use train.device=auto, which is cuda where there is one, else cpu."
        ) from error
    return device
