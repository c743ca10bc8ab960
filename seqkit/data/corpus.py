"""Token ids on disk, memory-mapped: one directory in the cache for each (data, split, tokenizer).

    <cache>/corpora/<fingerprint>/
        corpus.json       dtype; tokens, characters and bytes of each split; notes on the text
        train.bin         the ids, one after the other
        validation.bin
        test.bin

A directory is complete or absent: it is written under another name and renamed. What a process that was
stopped left under that name is where the next one goes on.
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
from filelock import FileLock
from numpy.typing import NDArray

from seqkit.data.cache import cache_dir, writing_to
from seqkit.data.split import Splits
from seqkit.data.writing import OnProgress, TextCounts, write_ids
from seqkit.fingerprint import fingerprint
from seqkit.tokenizers.base import Tokenizer

FORMAT = 3


class Corpus:
    """The ids of every split, and how much text they stand for."""

    def __init__(self, path: Path) -> None:
        description = json.loads((path / "corpus.json").read_text("utf-8"))
        self.path = path
        self.fingerprint = path.name
        self.dtype = np.dtype(description["dtype"])
        self.notes: tuple[str, ...] = tuple(description["notes"])
        """What a person should know of the text, such as rows that were left out."""
        self.counts = {split: TextCounts(**counts) for split, counts in description["splits"].items()}

    def ids(self, split: str) -> NDArray[np.unsignedinteger[Any]]:
        """The ids of a split, memory-mapped."""
        if not self.counts[split].tokens:
            return np.empty(0, dtype=self.dtype)
        # A plain array over the map: slicing a memmap object itself costs microseconds.
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
        tokenizer: trained on its training split.
        cache: the folder; by default `SEQKIT_CACHE`, or the user's cache directory.
        on_progress: is told how many characters were tokenised, and of how many, where that is known.
    """
    key = fingerprint(["corpus", FORMAT, splits.fingerprint, tokenizer.fingerprint])
    folder = (cache or cache_dir()) / "corpora"
    if _is_complete(folder / key):
        return Corpus(folder / key)
    with writing_to(folder), FileLock(folder / f"{key}.lock"):
        if not _is_complete(folder / key):  # else another process was faster
            _write(splits, tokenizer, folder / f"{key}.partial", on_progress)
            shutil.rmtree(folder / key, ignore_errors=True)
            (folder / f"{key}.partial").rename(folder / key)
    return Corpus(folder / key)


def _is_complete(path: Path) -> bool:
    """Whether every file is there with its whole length: whoever cleans a cache may take single files."""
    try:
        corpus = Corpus(path)
        return all(
            (path / f"{split}.bin").stat().st_size == counts.tokens * corpus.dtype.itemsize
            for split, counts in corpus.counts.items()
        )
    except (OSError, ValueError, KeyError):
        return False


def _write(splits: Splits, tokenizer: Tokenizer, folder: Path, on_progress: OnProgress | None) -> None:
    """Fill a folder of that name; what a process that was stopped left in it is used."""
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
