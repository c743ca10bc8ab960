"""How surprising a text is to a model, token by token."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from seqkit.cells import State
from seqkit.data.batches import text_metrics
from seqkit.data.writing import TextCounts
from seqkit.errors import SourceError
from seqkit.model import SequenceModel, device_of, evaluating
from seqkit.tokenizers import Tokenizer

CHUNK = 1024  # tokens a pass: bounds the memory that a long text needs


@dataclass(frozen=True)
class Score:
    """What a text costs under a model; comparable across tokenizers in bits per character or byte."""

    bits_per_char: float
    bits_per_byte: float
    perplexity: float
    """Per token."""
    tokens: int
    unknown: int
    """Characters that the vocabulary lacks; each costs log2(1,114,112) bits more."""
    surprisal: NDArray[np.float64] = field(repr=False)
    """Bits of each token, in order."""


def score(model: SequenceModel, tokenizer: Tokenizer, text: str) -> Score:
    """Read a text once, from its start to its end with the state carried; every token counts.

    Args:
        model: gives the logits of the next token.
        tokenizer: of the text that the model was trained on.
        text: any text; its first token is read after a start token.
    Raises:
        SourceError: the text is empty.
    """
    ids = tokenizer.encode(text)
    if not len(ids):
        raise SourceError("there is no text to score: it is empty.")
    device = device_of(model)
    targets = torch.from_numpy(ids.astype(np.int64)).to(device)
    inputs = torch.cat([targets.new_tensor([tokenizer.start_id]), targets[:-1]])
    state: State = None
    nats = []
    with evaluating(model.modules()), torch.inference_mode():
        for read, expected in zip(torch.split(inputs, CHUNK), torch.split(targets, CHUNK), strict=True):
            outputs, state = model(read[None], state)
            nats.append(model.head.loss(outputs[0], expected))
    surprisal = torch.cat(nats).cpu().double().numpy() / math.log(2)
    counts = TextCounts(
        tokens=len(ids),
        characters=len(text),
        bytes=len(text.encode("utf-8", "surrogatepass")),
        unknown_characters=tokenizer.unknown_characters(text, ids),
    )
    metrics = text_metrics(float(surprisal.mean()) * math.log(2), counts)
    return Score(tokens=len(ids), unknown=counts.unknown_characters, surprisal=surprisal, **metrics)
