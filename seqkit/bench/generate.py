"""Speed of generation compared with a bare loop over the same cell, one token at a time."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from torch.nn import functional as F

from seqkit.bench.steps import CELLS
from seqkit.inference import generate
from seqkit.model import SequenceModel
from seqkit.tokenizers import CharTokenizer

CHARACTERS = "".join(map(chr, range(32, 96)))
NAMES = ("rnn", "gru", "lstm")


def measure(
    cells: tuple[str, ...] = NAMES, hidden_size: int = 256, *, tokens: int = 500, repeats: int = 15
) -> list[dict[str, Any]]:
    """Tokens per second of a bare loop and of `seqkit.generate`, greedy, alternating, on one thread.

    The bare loop is the step, the head, `argmax` and a look-up of the character.

    Args:
        cells: names of `seqkit.bench.steps.CELLS`.
        hidden_size: number of units of each cell.
        tokens: number of tokens generated in each measurement.
        repeats: number of measurements of each, alternating.
    Returns:
        A row for each cell; `ratio` is the median of generate's speed divided by the bare loop's in the same
        turn.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # at batch 1 a second thread only waits
    try:
        return [_measure(name, hidden_size, tokens, repeats) for name in cells]
    finally:
        torch.set_num_threads(threads)


def _measure(name: str, hidden_size: int, tokens: int, repeats: int) -> dict[str, Any]:
    torch.manual_seed(0)
    tokenizer = CharTokenizer(CHARACTERS)
    model = SequenceModel(CELLS[name][0](tokenizer.vocab_size, hidden_size)).eval()
    ours = bare = 0.0
    speeds: dict[str, list[float]] = {"bare": [], "generate": []}
    for _ in range(repeats + 1):  # the first one warms up
        began = time.perf_counter()
        expected = _bare(model, tokenizer, tokens)
        bare = time.perf_counter()
        text = generate(model, tokenizer, max_tokens=tokens, temperature=0)
        ours = time.perf_counter()
        assert text == expected, "the bare loop and seqkit.generate differ"
        speeds["bare"].append(tokens / (bare - began))
        speeds["generate"].append(tokens / (ours - bare))
    ratios = [ours / bare for bare, ours in zip(*(values[1:] for values in speeds.values()), strict=True)]
    return {
        "cell": name,
        "hidden_size": hidden_size,
        "tokens": tokens,
        "repeats": repeats,
        "bare_tokens_per_s": statistics.median(speeds["bare"][1:]),
        "generate_tokens_per_s": statistics.median(speeds["generate"][1:]),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


@torch.inference_mode()
def _bare(model: SequenceModel, tokenizer: CharTokenizer, tokens: int) -> str:
    """The loop as a user would write it by hand."""
    characters = "\ufffd" + tokenizer.characters
    cell, head = model.cell, model.head
    state = cell.initial_state(1)
    ids = torch.tensor([tokenizer.start_id])
    text = []
    for _ in range(tokens):
        hidden, state = cell(F.one_hot(ids, tokenizer.vocab_size).float(), state)
        logits = head(hidden)
        logits[:, 0] = -torch.inf  # the unknown character has no text
        ids = logits.argmax(-1)
        text.append(characters[int(ids)])
    return "".join(text)
