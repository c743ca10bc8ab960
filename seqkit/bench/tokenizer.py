"""How fast text becomes ids."""

from __future__ import annotations

import time
from typing import Any

from seqkit.tokenizers import CharTokenizer

TEXTS = {
    "ASCII": "The quick brown fox jumps over the lazy dog.\n",
    "Cyrillic": "Съешь же ещё этих мягких французских булок.\n",
    "Chinese": "床前明月光,疑是地上霜。\n",
}
MEGABYTES = 16


def measure(*, repeats: int = 10) -> dict[str, Any]:
    """Megabytes of UTF-8 a second, the best of several passes over 16 MB, for each script."""
    speeds = {}
    for name, line in TEXTS.items():
        line_bytes = len(line.encode())
        lines = MEGABYTES * 1_000_000 // line_bytes
        text, tokenizer = line * lines, CharTokenizer(line)
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            tokenizer.encode(text)
            seconds.append(time.perf_counter() - began)
        speeds[name] = lines * line_bytes / min(seconds) / 1e6
    return {"repeats": repeats, "megabytes_per_s": speeds}
