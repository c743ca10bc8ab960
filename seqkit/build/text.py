"""A text recipe's data: split, tokenised, and in batches."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from seqkit import rundir
from seqkit.build.components import make_model, open_source
from seqkit.data import Corpus, DocumentSplits, Lanes, Splits, TextSplits, TokenStream, Windows, build_corpus
from seqkit.data.batches import UNKNOWN_CHARACTER_BITS
from seqkit.data.cache import trained_tokenizer
from seqkit.data.writing import OnProgress
from seqkit.errors import SourceError
from seqkit.model import SequenceModel
from seqkit.recipe import ResolvedRecipe, TrainConfig
from seqkit.sources import TextFiles, TextSource
from seqkit.sources.text import Paths
from seqkit.tokenizers import Tokenizer
from seqkit.tokenizers.documents import with_end

logger = logging.getLogger(__name__)

EVALUATION_LANES: Final = 16
"""Carried evaluation reads so many lanes whatever the batch size, so that figures compare."""
EVALUATION_POSITIONS: Final = 1 << 14
"""Positions that an evaluation reads at once, where a batch of training has less than a quarter of them."""
LARGE_VOCABULARY: Final = 512
"""Above it, fewer positions are read at once: each has an output for every token."""


@dataclass(frozen=True)
class TextData:
    """A text, split and tokenised."""

    splits: Splits
    tokenizer: Tokenizer
    corpus: Corpus

    def make_model(self, recipe: ResolvedRecipe) -> SequenceModel:
        """The model that the recipe describes, for this vocabulary."""
        return make_model(recipe, self.tokenizer.vocab_size)

    def training_batches(self, train: TrainConfig) -> Windows | Lanes:
        """The training split, in the order that the state policy asks for.

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

    def evaluation_batches(self, train: TrainConfig, split: str) -> Windows | Lanes:
        """A whole split, read as the state policy says, every position counted once.

        The shape of a batch is its own, for a small batch of training would take very long. The numbers are
        those of any shape: windows from a zero state keep their length, and lanes their number.
        """
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

    def validation_batches(self, train: TrainConfig) -> Windows | Lanes | None:
        """The validation split; None where there is none."""
        counts = self.corpus.counts.get("validation")
        return self.evaluation_batches(train, "validation") if counts is not None and counts.tokens else None

    def describe(self) -> dict[str, Any]:
        """What the provenance of a run says of its data."""
        return {
            "source": self.splits.source.fingerprint,
            "tokenizer": self.tokenizer.fingerprint,
            "corpus": self.corpus.fingerprint,
            "splits": {split: asdict(counts) for split, counts in self.corpus.counts.items()},
            "missing_splits": list(self.splits.missing),
        }

    def save(self, path: Path) -> None:
        """Write what the run needs of it later; log what its vocabulary lacks."""
        rundir.write_json(path / rundir.TOKENIZER, self.tokenizer.to_json())
        for split, counts in self.corpus.counts.items():
            if counts.unknown_characters:  # they weigh on the bits per character
                logger.warning(
                    "%d characters of the %s split are not in the vocabulary; each costs %.1f bits more",
                    counts.unknown_characters,
                    split,
                    UNKNOWN_CHARACTER_BITS,
                )

    def _stream(self, split: str) -> TokenStream:
        return TokenStream(
            self.corpus.ids(split),
            start_id=self.tokenizer.start_id,
            end_id=self.tokenizer.end_id if self.splits.apart else None,
            counts=self.corpus.counts[split],
        )


def open_text(recipe: ResolvedRecipe) -> TextSource:
    """The source of a text recipe.

    Raises:
        SourceError: it gives series.
    """
    source = open_source(recipe.source)
    if not isinstance(source, TextSource):
        raise SourceError(
            f"the source {recipe.source.use!r} gives series of numbers, and the recipe {recipe.name} "
            "reads text.\n  Begin with a recipe for series: seqkit run stocks --data FILE.csv (its [series] "
            "table is what makes it one)."
        )
    return source


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
    splits = split_text(recipe, open_text(recipe), recipe.data.split)
    if tokenizer is None:
        declared = recipe.tokenizer.entry.declaration.load()
        trained = trained_tokenizer(splits, declared, recipe.tokenizer.options())
        tokenizer = with_end(trained) if splits.apart else trained
    return TextData(splits, tokenizer, build_corpus(splits, tokenizer, on_progress=on_progress))
