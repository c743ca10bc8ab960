"""Score a text with a model, token by token."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqkit.cells import State
from seqkit.data.batches import text_metrics
from seqkit.data.writing import TextCounts
from seqkit.errors import SourceError
from seqkit.inference.reading import CHUNK, Documents, read_blocks, restarts
from seqkit.model import SequenceModel, device_of, evaluating
from seqkit.tokenizers import Tokenizer
from seqkit.tokenizers.base import Ids


@dataclass(frozen=True)
class Score:
    """The score of a text under a model; comparable across tokenizers in bits per character or byte."""

    bits_per_char: float
    bits_per_byte: float
    perplexity: float
    """Perplexity per token."""
    tokens: int
    unknown: int
    """Number of characters that are not in the vocabulary; each adds log2(1,114,112) bits."""
    surprisal: NDArray[np.float32] = field(repr=False)
    """Bits of each token, in order."""


class ScoredBlock(NamedTuple):
    """A scored part of a text."""

    text: str
    ids: Ids
    unknown: int
    """Number of characters that are not in the vocabulary."""
    bits: NDArray[np.float32]
    """Bits of each id."""


@overload
def score(  # type: ignore[overload-overlap]  # a list is an iterable too, and means another thing on purpose
    model: SequenceModel, tokenizer: Tokenizer, text: list[str] | tuple[str, ...], *, lines: bool = False
) -> list[Score]: ...


@overload
def score(
    model: SequenceModel, tokenizer: Tokenizer, text: str | Iterable[str] | Documents, *, lines: bool = False
) -> Score: ...


def score(
    model: SequenceModel, tokenizer: Tokenizer, text: str | Iterable[str] | Documents, *, lines: bool = False
) -> Score | list[Score]:
    """Read a text once, from start to end with the state carried; every token counts.

    Args:
        model: a model that gives the logits of the next token.
        tokenizer: the tokenizer that the model was trained with.
        text: any text; or a list of texts, each read from the start; or an iterator over pieces of one text
            that need not fit in memory together: four bytes per token are kept. The first token of a text
            is read after a start token.
        lines: each line is a document: its end token counts, and the next one is read from the start.
    Returns:
        The score of the text; for a list, the score of each text, in order.
    Raises:
        SourceError: a text is empty.
    """
    if isinstance(text, list | tuple):
        return [_score(model, tokenizer, each, lines) for each in text]
    return _score(model, tokenizer, text, lines)


def _score(
    model: SequenceModel, tokenizer: Tokenizer, text: str | Iterable[str] | Documents, lines: bool
) -> Score:
    total, surprisal = Total(), array("f")
    for block in score_blocks(model, tokenizer, text, lines=lines):
        total.add(block)
        surprisal.frombytes(block.bits.tobytes())
    metrics = total.metrics()
    return Score(**metrics, surprisal=np.frombuffer(surprisal, np.float32))


def score_blocks(
    model: SequenceModel, tokenizer: Tokenizer, text: str | Iterable[str] | Documents, *, lines: bool = False
) -> Iterator[ScoredBlock]:
    """Score a text block by block as it is read, without keeping anything."""
    device = device_of(model)
    state: State = None
    last = torch.tensor([tokenizer.start_id], device=device)
    for block in read_blocks(tokenizer, text, lines=lines):
        targets = torch.from_numpy(block.ids.astype(np.int64)).to(device)
        inputs = torch.cat([last, targets])
        last = inputs[-1:]
        nats: list[Tensor] = []
        with evaluating(model.modules()), torch.inference_mode():
            for read, expected in zip(
                torch.split(inputs[:-1], CHUNK), torch.split(targets, CHUNK), strict=True
            ):
                outputs, state = model(read[None], state, restarts(tokenizer, read))
                nats.append(model.head.loss(outputs[0], expected))
        yield ScoredBlock(*block, (torch.cat(nats).float() / math.log(2)).cpu().numpy())


class Total:
    """The sum over scored blocks."""

    def __init__(self) -> None:
        self._counts = TextCounts()
        self._bits = 0.0

    def add(self, block: ScoredBlock) -> None:
        """Add a block."""
        self._counts.add(len(block.ids), block.text, block.unknown)
        self._bits += float(block.bits.sum(dtype=np.float64))

    def metrics(self) -> dict[str, Any]:
        """`bits_per_char, bits_per_byte, perplexity, tokens, unknown`.

        Raises:
            SourceError: there was no text.
        """
        counts = self._counts
        if not counts.tokens:
            raise SourceError("there is no text to score: it is empty.")
        units = text_metrics(self._bits / counts.tokens * math.log(2), counts)
        return {**units, "tokens": counts.tokens, "unknown": counts.unknown_characters}
