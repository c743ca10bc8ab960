"""A run on text."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from seqkit import inference
from seqkit.errors import SamplingError, SourceError
from seqkit.inference.reading import Documents
from seqkit.run.base import Run
from seqkit.sources import TextSource
from seqkit.sources.choosing import Given
from seqkit.tasks.text import open_other, open_text, prepare_text, split_text, tokenised
from seqkit.tokenizers import Tokenizer
from seqkit.training.evaluation import evaluate
from seqkit.training.intervals import FEWEST_POSITIONS, LossSlices

logger = logging.getLogger(__name__)


class TextRun(Run):
    """A run on text: it generates and scores."""

    kept: Tokenizer
    verbs = "It writes and scores text: run.generate(), run.score(TEXT)."

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that the model reads and writes with."""
        return self.kept

    @property
    def _lines(self) -> bool:
        """Whether each line of a text is read as a document."""
        return self.recipe.data.documents == "lines"

    @overload
    def generate(self, prompt: str | None = None, *, num: None = None, **options: Any) -> str: ...

    @overload
    def generate(self, prompt: str | None = None, *, num: int, **options: Any) -> list[str]: ...

    def generate(
        self, prompt: str | None = None, *, num: int | None = None, **options: Any
    ) -> str | list[str]:
        """The text that follows a prompt, or several such texts.

        Args:
            prompt: text to continue; by default the prompt of the recipe's `[sample]` table.
            num: number of texts, with the seeds `seed`, `seed + 1`, ...; by default one, not in a list.
            options: `max_tokens, temperature, top_k, top_p, repetition_penalty, stop, keep_stop, seed` as in
                `seqkit.generate`; missing ones are taken from the `[sample]` table.
        Raises:
            SamplingError: an option is out of its range.
        """
        if num is None:
            return "".join(self.stream(prompt, **options))
        if num < 1:
            raise SamplingError(f"num must be 1 or greater, got {num}.")
        first = options.pop("seed", self.recipe.sample.seed)
        seeds = [None if first is None else first + index for index in range(num)]
        # All are created before the first is drawn, so that an option out of range is reported at once.
        streams = [self.stream(prompt, seed=seed, **options) for seed in seeds]
        return ["".join(stream) for stream in streams]

    def stream(self, prompt: str | None = None, **options: Any) -> inference.TextStream:
        """The same text in pieces, as they are generated; at the end, `ended_by` says what ended it."""
        chosen = {**self.recipe.sample.model_dump(), **options}
        recipe_prompt = chosen.pop("prompt")
        prompt = recipe_prompt if prompt is None else prompt
        if self._lines:  # the state is reset after a line end: only the last line counts
            prompt = prompt.rpartition("\n")[2]
        return inference.stream(self.model, self.tokenizer, prompt, **chosen)

    def copies(
        self, count: int = 1000, *, most_characters: int | None = None, seed: int = 0, **options: Any
    ) -> inference.Copies:
        """Generate documents, and count how many are new and how many occur in the training split.

        Args:
            count: number of documents, with the seeds `seed` to `seed + count - 1`.
            most_characters: stop once the documents together have this number of characters.
            seed: seed of the first document.
            options: see `generate`; the temperature is 1 unless it is given.
        Raises:
            SourceError: the run was not trained on separate documents.
        """
        splits = split_text(self.recipe, open_text(self.recipe), self.recipe.data.split)
        if not splits.apart:
            raise SourceError(
                "the run was trained on one joined text: its documents have no end, and cannot be counted.\n"
                '  Train with data.documents="apart" or data.documents="lines".'
            )
        options = {"prompt": "", "temperature": 1.0, **options}
        texts, cut, characters = [], 0, 0
        for index in range(count):
            stream = self.stream(seed=seed + index, **options)
            text = "".join(stream)
            characters += len(text)
            if stream.ended_by == "max_tokens":
                cut += 1
            else:
                texts.append(text)
            if most_characters is not None and characters >= most_characters:
                break
        training = ("".join(document) for document in splits.documents("train"))
        return inference.count_copies(texts, training, cut)

    def novelty(self, text: str, *, shortest: int = 20) -> inference.Novelty:
        """The spans of a generated text that occur verbatim in the training split.

        Args:
            text: generated text, without the prompt.
            shortest: minimum length of a span, in characters.
        Raises:
            SourceError: the recipe's source cannot be read.
        """
        (found,) = inference.measure_novelty([text], self.training_text(), shortest)
        return found

    def training_text(self) -> Iterator[str]:
        """The text of the training split, piece by piece, as the recipe's source gives it now."""
        splits = split_text(self.recipe, open_text(self.recipe), self.recipe.data.split)
        self._warn_of_changed_data(splits.source.fingerprint, "train")
        return splits.texts("train")

    def open_text(self, data: Given, overrides: Sequence[str] = ()) -> TextSource:
        """Another text, read with the run's settings: the same encoding, the same column.

        Args:
            data: a file, a folder, a glob, or several of these; of a table (`.jsonl`, `.csv`, ...), the texts
                are read.
            overrides: `source.key=value`, such as `source.column=title`.
        Raises:
            SourceError: the text cannot be read.
        """
        return open_other(self.recipe, data, self.provenance["data"].get("column"), overrides)

    @overload
    def score(  # type: ignore[overload-overlap]  # as of `seqkit.score`
        self, text: list[str] | tuple[str, ...]
    ) -> list[inference.Score]: ...

    @overload
    def score(self, text: str | Iterable[str] | TextSource) -> inference.Score: ...

    def score(self, text: str | Iterable[str] | TextSource) -> inference.Score | list[inference.Score]:
        """Score a text, a source, or each text of a list under the model; see `seqkit.score`.

        An iterator gives pieces of one text. If `data.documents` is `"lines"`, each line is read as a
        document. If it is `"apart"`, each document of a source is read separately.
        """
        return inference.score(self.model, self.tokenizer, self._readable(text), lines=self._lines)

    def score_blocks(self, text: str | Iterable[str] | TextSource) -> Iterator[inference.ScoredBlock]:
        """The same block by block, for a text of any length: each block with its ids and their bits."""
        return inference.score_blocks(self.model, self.tokenizer, self._readable(text), lines=self._lines)

    def _readable(self, text: str | Iterable[str] | TextSource) -> str | Iterable[str] | Documents:
        """A source as documents if the run keeps them apart, else as pieces."""
        if not isinstance(text, TextSource):
            return text
        if self.recipe.data.documents == "apart":
            return Documents(split_text(self.recipe, text, None).documents("all"))
        return (piece.text for piece in text.pieces())

    def states(self, text: str | Iterable[str] | TextSource, *, layer: int = -1) -> inference.States:
        """The output of every unit after each token of a text, with `plot` and `save`; see `States`.

        Args:
            text: a text, or pieces of it.
            layer: index of the layer; 0 is the first one, which reads the text, and -1 the last.
        Raises:
            SourceError: the text is empty.
            OutOfRangeError: there is no such layer, or the values would take more than 2 GiB.
        """
        return inference.read_states(
            self.model, self.tokenizer, self._readable(text), layer=layer, lines=self._lines
        )

    def evaluate(self, split: str = "test", data: Given | TextSource | None = None) -> dict[str, Any]:
        """The loss on a whole split, with the run's state policy.

        Args:
            split: split of the recipe's source.
            data: a file to read whole instead, anything that `open_text` takes, or a source.
        Returns:
            `split, state, loss, tokens, bits_per_char, bits_per_byte, perplexity, unknown_characters`, and
            `loss_interval_95, bits_per_char_interval_95`. The intervals estimate the values for another text
            of the same kind and length, from the spread of blocks of 1,000 positions or more. For fewer than
            5,000 positions they are None, and a warning is logged.
        Raises:
            SourceError: there is no such split.
        """
        if data is None:
            read = prepare_text(self.recipe, self.tokenizer)
        else:
            split = "all"
            source = data if isinstance(data, TextSource) else self.open_text(data)
            read = tokenised(split_text(self.recipe, source, None), self.tokenizer)
        counts = read.corpus.counts.get(split)
        if counts is None:
            there = list(read.corpus.counts)
            raise SourceError(
                f"there is no {split} split; available: {', '.join(there)}. Try --split {there[-1]}.\n"
                "  [data] split sets how the text is cut; a missing split is never made up."
            )
        if data is None:
            self._warn_of_changed_data(read.splits.source.fingerprint, split)
        train = self.recipe.train
        batches = read.evaluation_batches(train, split)
        assert batches is not None  # it was counted
        slices = LossSlices(in_lanes=train.state == "carry")
        metrics = evaluate(self.model, batches, state=train.state, precision=train.precision, slices=slices)
        ends = slices.interval_95()
        if metrics["tokens"] < FEWEST_POSITIONS:
            logger.warning(
                "no interval is computed: %s has %d tokens, and a reliable one needs %d",
                "the text" if data is not None else f"the {split} split",
                metrics["tokens"],
                FEWEST_POSITIONS,
            )
        intervals = {
            "loss_interval_95": ends,
            "bits_per_char_interval_95": ends and [batches.metrics(end)["bits_per_char"] for end in ends],
        }
        unknown = {"unknown_characters": counts.unknown_characters}
        return {"split": split, "state": train.state, **metrics, **intervals, **unknown}

    def _warn_of_changed_data(self, fingerprint: str, split: str) -> None:
        if fingerprint != self.provenance["data"]["source"]:
            logger.warning("the data has changed since the run was trained: this is another %s split", split)
