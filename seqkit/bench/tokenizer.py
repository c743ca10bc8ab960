"""Speed of tokenizers, on one core."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from seqkit.sources import PythonDocs
from seqkit.tokenizers import CharTokenizer, WordTokenizer

LINES = {
    "Cyrillic": "Съешь же ещё этих мягких французских булок.\n",
    "Chinese": "床前明月光,疑是地上霜。\n",
}


def measure(megabytes: int = 16, *, repeats: int = 5) -> list[dict[str, Any]]:
    """Megabytes of UTF-8 per second, the best of several passes over a text, for each script and tokenizer.

    If Hugging Face's `tokenizers` is installed, its `WordLevel` is measured on the same text in the same
    process, with its `Whitespace`, which drops white space.
    """
    texts = {"English": "".join(piece.text for piece in PythonDocs().pieces()), **LINES}
    rows = []
    for name, text in texts.items():
        text *= megabytes * 1_000_000 // len(text.encode()) + 1
        size = len(text.encode()) / 1e6
        encoders: dict[str, Callable[[str], Any]] = {
            "char": CharTokenizer.train([text]).encode,
            "word": WordTokenizer.train([text]).encode,
        }
        word_level = _word_level(text)
        if word_level is not None:
            encoders["WordLevel"] = word_level
        seconds: dict[str, list[float]] = {encoder: [] for encoder in encoders}
        for _ in range(repeats):
            for encoder, encode in encoders.items():
                began = time.perf_counter()
                encode(text)
                seconds[encoder].append(time.perf_counter() - began)
        speeds = {encoder: size / min(found) for encoder, found in seconds.items()}
        rows.append({"text": name, "repeats": repeats, "megabytes_per_s": speeds})
    return rows


def _word_level(text: str) -> Callable[[str], Sequence[int]] | None:
    try:
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    except ImportError:
        return None
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(
        [text], trainers.WordLevelTrainer(special_tokens=["<unk>"], show_progress=False)
    )
    lines = text.splitlines()  # it is far slower on one long text
    return lambda _: [index for line in tokenizer.encode_batch(lines) for index in line.ids]
