"""Token ids on disk, memory-mapped: one directory in the cache per (data, split, tokenizer).

    <cache>/corpora/<fingerprint>/
        corpus.json       dtype; tokens, characters and bytes of each split; notes on the text
        train.bin         the ids, in order
        validation.bin
        test.bin

A directory is complete or absent: it is written under a temporary name and renamed. If a process is stopped,
the next one continues from what is under that name.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqkit.caching import cache_dir
from seqkit.data.cache import writing_to
from seqkit.data.split import Splits
from seqkit.data.writing import OnProgress, TextCounts, write_ids
from seqkit.fingerprint import fingerprint
from seqkit.locks import locked
from seqkit.tokenizers.base import Tokenizer

FORMAT = 3


class Corpus:
    """The ids of every split, and the amount of text they represent."""

    def __init__(self, path: Path) -> None:
        description = json.loads((path / "corpus.json").read_text("utf-8"))
        self.path = path
        self.fingerprint = path.name
        self.dtype = np.dtype(description["dtype"])
        self.notes: tuple[str, ...] = tuple(description["notes"])
        """What the user should know about the text, such as rows that were left out."""
        self.counts = {split: TextCounts(**counts) for split, counts in description["splits"].items()}

    def ids(self, split: str) -> NDArray[np.unsignedinteger[Any]]:
        """The ids of a split, memory-mapped."""
        if not self.counts[split].tokens:
            return np.empty(0, dtype=self.dtype)
        # A plain array over the map: slicing a memmap object itself takes microseconds.
        return np.asarray(np.memmap(self.path / f"{split}.bin", dtype=self.dtype, mode="r"))


def build_corpus(
    splits: Splits,
    tokenizer: Tokenizer,
    cache: Path | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> Corpus:
    """The corpus of a text and a tokenizer: from the cache, or tokenised into it.

    Args:
        splits: the text.
        tokenizer: tokenizer trained on the training split.
        cache: cache folder; default: `SEQKIT_CACHE`, or the user's cache directory.
        on_progress: called with the number of tokenised characters, and the total or None if unknown.
    """
    key = fingerprint(["corpus", FORMAT, splits.fingerprint, tokenizer.fingerprint])
    folder = (cache or cache_dir()) / "corpora"
    if _is_complete(folder / key):
        return Corpus(folder / key)
    with writing_to(folder), locked(folder / f"{key}.lock"):
        if not _is_complete(folder / key):  # otherwise another process was faster
            _write(splits, tokenizer, folder / f"{key}.partial", on_progress)
            shutil.rmtree(folder / key, ignore_errors=True)
            (folder / f"{key}.partial").rename(folder / key)
    return Corpus(folder / key)


def _is_complete(path: Path) -> bool:
    """Whether every file exists with its full length: a cache cleaner may delete single files."""
    try:
        corpus = Corpus(path)
        return all(
            (path / f"{split}.bin").stat().st_size == counts.tokens * corpus.dtype.itemsize
            for split, counts in corpus.counts.items()
        )
    except (OSError, ValueError, KeyError):
        return False


def _write(splits: Splits, tokenizer: Tokenizer, folder: Path, on_progress: OnProgress | None) -> None:
    """Write the corpus into a folder, continuing from what a stopped process left in it."""
    counts = write_ids(splits, tokenizer, folder, on_progress)
    description: Mapping[str, Any] = {
        "format": FORMAT,
        "dtype": tokenizer.dtype.name,
        "splits": {split: asdict(count) for split, count in counts.items()},
        "notes": splits.notes,
    }
    with (folder / "corpus.json").open("w", encoding="utf-8") as file:
        file.write(json.dumps(description, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
