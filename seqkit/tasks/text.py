"""Text: documents; each position predicts the next token."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from seqkit.data import Corpus, DocumentSplits, Lanes, Splits, TextSplits, TokenStream, Windows, build_corpus
from seqkit.data.batches import UNKNOWN_CHARACTER_BITS
from seqkit.data.cache import trained_tokenizer
from seqkit.data.spool import spooled
from seqkit.data.writing import OnProgress
from seqkit.errors import RecipeError, RunError, SeqkitError, SourceError
from seqkit.recipe import Recipe, ResolvedRecipe, TrainConfig
from seqkit.sources import HubDataset, TextSource
from seqkit.sources.choosing import Given, Whole, choose_source
from seqkit.sources.text import SPLITS
from seqkit.tasks.base import Sizes, Task, TaskData, task_of
from seqkit.tasks.components import open_source
from seqkit.tokenizers import Tokenizer
from seqkit.tokenizers.documents import open_with_end, with_end

logger = logging.getLogger(__name__)

EVALUATION_LANES: Final = 16
"""Number of lanes of an evaluation with carried state, for any batch size, so that figures are comparable."""
EVALUATION_POSITIONS: Final = 1 << 14
"""Positions that an evaluation reads at once, if a training batch has less than a quarter of them."""
MOST_SHOWN: Final = 20
"""New tokens that are named."""
LARGE_VOCABULARY: Final = 512
"""Above this size fewer positions are read at once, because each has an output for every token."""


class TextTask(Task):
    """The task of predicting the next token of a text."""

    file = "tokenizer.json"

    def prepare(
        self, recipe: ResolvedRecipe, on_progress: OnProgress | None = None, kept: Tokenizer | None = None
    ) -> TextData:
        """The recipe's source, split and tokenised; logs the number of unknown characters."""
        data = prepare_text(recipe, kept, on_progress)
        for split, counts in data.corpus.counts.items():
            if counts.unknown_characters and split == "train" and kept is not None:
                logger.warning("what the vocabulary lacks is read as unknown; --extend-vocabulary adds it")
            if counts.unknown_characters:  # they add to the bits per character
                logger.warning(
                    "characters of the %s split that the vocabulary lacks: %s (%.2g %%); each costs %.1f "
                    "bits more",
                    split,
                    f"{counts.unknown_characters:,}",
                    100 * counts.unknown_characters / counts.characters,
                    UNKNOWN_CHARACTER_BITS,
                )
        return data

    def extended(self, recipe: ResolvedRecipe, kept: Tokenizer) -> tuple[Tokenizer, Sequence[int]]:
        """The tokenizer, extended by the characters or words that only the recipe's training split has."""
        extended = kept.extended(prepare_tokenizer(recipe))
        new = [extended.decode([index]) for index in range(kept.vocab_size, extended.vocab_size)]
        if extended.end_id == extended.vocab_size - 1:
            new = [extended.decode([index]) for index in range(kept.vocab_size - 1, extended.vocab_size - 1)]
        logger.info("%s more tokens: %s", f"{len(new):,}", " ".join(map(repr, new[:MOST_SHOWN])))
        ids = list(range(kept.vocab_size))
        if kept.end_id is not None and extended.end_id is not None:
            ids[kept.end_id] = extended.end_id
        return extended, ids

    def sizes(self, kept: Tokenizer) -> Sizes:
        """The size of the vocabulary."""
        return Sizes(vocab_size=kept.vocab_size)

    def restore(self, recipe: ResolvedRecipe, saved: Any) -> Tokenizer:
        """The tokenizer of a run, from its saved values.

        Raises:
            RunError: the values are not those of such a tokenizer.
        """
        tokenizer_class: Any = recipe.tokenizer.entry.load()
        try:
            if recipe.data.documents == "joined":
                tokenizer: Tokenizer = tokenizer_class.from_json(saved)
                return tokenizer
            return open_with_end(tokenizer_class.from_json, saved)
        except SeqkitError:
            raise
        except Exception as error:  # a third-party tokenizer may raise anything
            raise RunError(
                f"{self.file} is not the file of a {recipe.tokenizer.use!r} tokenizer, which the run's "
                f"recipe names ({type(error).__name__}: {error}).\n"
                "  Restore the file that the run was trained with, or train it again: seqkit run DIR."
            ) from error

    def loss_unit(self, head: str) -> str:
        """Unit of the loss: nats per token, for any head."""
        return "nats per token"


@dataclass(frozen=True)
class TextData(TaskData):
    """A text, split and tokenised."""

    splits: Splits
    tokenizer: Tokenizer
    corpus: Corpus
    split_override = "data.split=0.8,0.1,0.1"

    @property
    def kept(self) -> Tokenizer:
        """The tokenizer."""
        return self.tokenizer

    def training_batches(self, train: TrainConfig) -> Windows | Lanes:
        """The training split, in the order that the state policy requires.

        Raises:
            SourceError: it is shorter than one window.
        """
        counts = self.corpus.counts["train"]
        if counts.tokens < train.seq_len:
            raise SourceError(
                f"the training split has {counts.tokens} tokens, less than one window of train.seq_len = "
                f"{train.seq_len}.\n"
                f"  Give more text, or a smaller window: train.seq_len={max(1, counts.tokens // 2)}."
            )
        if train.state == "reset":
            return Windows(
                self._stream("train"),
                batch_size=train.batch_size,
                seq_len=train.seq_len,
                shuffle_seed=train.seed,
            )
        return Lanes(self._stream("train"), lanes=train.batch_size, seq_len=train.seq_len)

    def evaluation_batches(self, train: TrainConfig, split: str) -> Windows | Lanes | None:
        """A whole split, read by the state policy, every position counted once; None if it has no tokens.

        The batches have their own shape, because a small training batch would take very long. The results do
        not depend on the shape: windows from a zero state keep their length, and lanes their number.
        """
        counts = self.corpus.counts.get(split)
        if counts is None or not counts.tokens:
            return None
        stream, seq_len = self._stream(split), train.seq_len
        outputs = max(self.tokenizer.vocab_size, LARGE_VOCABULARY)
        at_once = EVALUATION_POSITIONS * LARGE_VOCABULARY // outputs
        if train.state == "reset":
            rows = train.batch_size
            is_small = 4 * rows * seq_len < at_once
            return Windows(stream, batch_size=at_once // seq_len if is_small else rows, seq_len=seq_len)
        lanes = min(EVALUATION_LANES, max(1, len(stream) // seq_len))
        if 4 * lanes * seq_len < at_once:
            seq_len = max(seq_len, min(at_once, len(stream)) // lanes)
        return Lanes(stream, lanes=lanes, seq_len=seq_len)

    def describe(self) -> dict[str, Any]:
        """The data's entry in the provenance of a run."""
        source = self.splits.source
        return {
            "source": source.fingerprint,
            **({"column": source.column_read} if isinstance(source, HubDataset) else {}),
            "tokenizer": self.tokenizer.fingerprint,
            "corpus": self.corpus.fingerprint,
            "splits": {split: asdict(counts) for split, counts in self.corpus.counts.items()},
            "missing_splits": [split for split in SPLITS if split not in self.corpus.counts],
        }

    def saved(self) -> Any:
        """The tokenizer."""
        return self.tokenizer.to_json()

    def _stream(self, split: str) -> TokenStream:
        return TokenStream(
            self.corpus.ids(split),
            start_id=self.tokenizer.start_id,
            end_id=self.tokenizer.end_id if self.splits.apart else None,
            counts=self.corpus.counts[split],
        )


def require_text(recipe: ResolvedRecipe, otherwise: str) -> None:
    """Raise RecipeError if a recipe is not for text.

    Args:
        recipe: a recipe of any kind.
        otherwise: the message of the error.
    """
    if not isinstance(task_of(recipe), TextTask):
        raise RecipeError(f"recipe {recipe.name}", [otherwise])


def open_text(recipe: ResolvedRecipe) -> TextSource:
    """The source of a text recipe."""
    return open_source(recipe.source, TextSource)  # type: ignore[type-abstract]


def open_other(
    recipe: ResolvedRecipe, data: Given, column: str | None = None, overrides: Sequence[str] = ()
) -> TextSource:
    """Another text, read as the recipe reads its own if it is of the same kind; all of it is one split.

    Args:
        recipe: the recipe of the run.
        data: a file, a folder, a glob, or several; the source is chosen by their kind.
        column: the column that the run was trained on; it is read if the data has it.
        overrides: `source.key=value`, which say how the data is read.
    Raises:
        SourceError: the data cannot be read.
        RecipeError: an override is faulty, or is not about the source.
    """
    if foreign := [change for change in overrides if not change.lstrip("~").startswith("source.")]:
        raise RecipeError(
            "the overrides",
            [f"{foreign[0]!r}: only source.key=value is allowed for a run, to say how a file is read"],
        )
    own = {"use": recipe.source.use, **recipe.source.config.model_dump(exclude_none=True)}
    chosen = Recipe(name=recipe.name, source=own, cell={"use": "rnn"}).with_data(data).override(overrides)
    resolved = chosen.resolve()
    # Messages show the path as given; the path in a recipe is absolute, because the recipe is kept.
    where = {key: value for key, value in choose_source(data).items() if key != "use"}
    config = resolved.source.config.model_copy(update=where)
    source = open_text(replace(resolved, source=replace(resolved.source, config=config)))
    if not isinstance(source, HubDataset):
        return source
    if all(change.partition("=")[0] != "source.column" for change in overrides):
        wanted = column or source.column
        source.column = wanted if wanted in source.columns else None
    return source if source.splits == ("all",) else Whole(source)


def split_text(
    recipe: ResolvedRecipe, source: TextSource, fractions: tuple[float, float, float] | None
) -> Splits:
    """The splits of a source, documents joined or kept apart as the recipe says."""
    data = recipe.data
    if data.documents == "joined":
        return TextSplits(source, fractions)
    return DocumentSplits(
        source,
        fractions,
        lines=data.documents == "lines",
        separator=data.separator,
        seed=data.seed,
    )


def prepare_text(
    recipe: ResolvedRecipe, tokenizer: Tokenizer | None = None, on_progress: OnProgress | None = None
) -> TextData:
    """Split and tokenise the recipe's source; without a tokenizer, one is trained on its training split.

    Notes on the text are logged every time: rows without text, splits without a document.

    Raises:
        SourceError: the source cannot be read, or no document is for training.
    """
    splits = split_text(recipe, open_text(recipe), recipe.data.split)
    with spooled(splits):
        return tokenised(splits, tokenizer or _tokenizer_of(recipe, splits), on_progress)


def prepare_tokenizer(recipe: ResolvedRecipe) -> Tokenizer:
    """The tokenizer that is trained on the training split of the recipe's source."""
    return _tokenizer_of(recipe, split_text(recipe, open_text(recipe), recipe.data.split))


def _tokenizer_of(recipe: ResolvedRecipe, splits: Splits) -> Tokenizer:
    trained = trained_tokenizer(splits, recipe.tokenizer.entry.load(), recipe.tokenizer.options())
    return with_end(trained, lines=recipe.data.documents == "lines") if splits.apart else trained


def tokenised(splits: Splits, tokenizer: Tokenizer, on_progress: OnProgress | None = None) -> TextData:
    """The text with its corpus; notes on the text are logged."""
    corpus = build_corpus(splits, tokenizer, on_progress=on_progress)
    for note in corpus.notes:
        logger.warning("%s", note)
    without = [split for split, counts in corpus.counts.items() if not counts.tokens]
    if without and isinstance(splits, DocumentSplits):
        logger.warning("%s", splits.say_without(without))
    return TextData(splits, tokenizer, corpus)
