"""Token ids on disk, memory-mapped: one directory in the cache for each (data, split, tokenizer).

    <cache>/corpora/<fingerprint>/
        corpus.json       dtype, and tokens, characters and bytes of each split
        train.bin         the ids, one after the other
        validation.bin
        test.bin

A directory is complete or absent: it is written under another name and renamed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from filelock import FileLock
from numpy.typing import NDArray

from seqkit.data.split import Splits
from seqkit.errors import SourceError, UnknownCharacterError
from seqkit.fingerprint import fingerprint
from seqkit.tokenizers.base import Ids, Tokenizer

FORMAT = 1


@dataclass(frozen=True)
class TextCounts:
    """How much text a split holds, as it was read."""

    tokens: int
    characters: int
    bytes: int
    """In UTF-8."""
    unknown_characters: int
    """Characters that the vocabulary lacks."""


class Corpus:
    """The ids of every split, and how much text they stand for."""

    def __init__(self, path: Path) -> None:
        description = json.loads((path / "corpus.json").read_text("utf-8"))
        self.path = path
        self.fingerprint = path.name
        self.dtype = np.dtype(description["dtype"])
        self.counts = {split: TextCounts(**counts) for split, counts in description["splits"].items()}

    def ids(self, split: str) -> NDArray[np.unsignedinteger[Any]]:
        """The ids of a split, memory-mapped."""
        if not self.counts[split].tokens:
            return np.empty(0, dtype=self.dtype)
        # A plain array over the map: slicing a memmap object itself costs microseconds.
        return np.asarray(np.memmap(self.path / f"{split}.bin", dtype=self.dtype, mode="r"))


def build_corpus(splits: Splits, tokenizer: Tokenizer, cache: Path | None = None) -> Corpus:
    """The corpus of a text and a tokenizer: from the cache, or tokenised into it.

    Args:
        splits: the text.
        tokenizer: trained on its training split.
        cache: the folder; by default `SEQKIT_CACHE`, or the user's cache directory.
    """
    key = fingerprint(["corpus", FORMAT, splits.fingerprint, tokenizer.fingerprint])
    folder = (cache or cache_dir()) / "corpora"
    if _is_complete(folder / key):
        return Corpus(folder / key)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{key}.lock"):
            if not _is_complete(folder / key):  # else another process was faster
                _write(splits, tokenizer, folder / f"{key}.partial")
                shutil.rmtree(folder / key, ignore_errors=True)
                (folder / f"{key}.partial").rename(folder / key)
    except OSError as error:
        raise SourceError(
            f"the cache {folder} cannot be written: {error.strerror or error}.\n"
            "  Set SEQKIT_CACHE to a folder with room in it."
        ) from error
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


def cache_dir() -> Path:
    """`SEQKIT_CACHE`, or the user's cache directory; all in it may be deleted at any time."""
    chosen = os.environ.get("SEQKIT_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("seqkit", appauthor=False)


def _write(splits: Splits, tokenizer: Tokenizer, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
    folder.mkdir()
    counts = {
        split: _write_split(splits, split, tokenizer, folder / f"{split}.bin") for split in splits.names
    }
    description: Mapping[str, Any] = {
        "format": FORMAT,
        "dtype": tokenizer.dtype.name,
        "splits": {split: asdict(count) for split, count in counts.items()},
    }
    with (folder / "corpus.json").open("w", encoding="utf-8") as file:
        file.write(json.dumps(description, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _write_split(splits: Splits, split: str, tokenizer: Tokenizer, path: Path) -> TextCounts:
    tokens = characters = size = unknown = 0
    with path.open("wb") as file:
        for text, ids in _encoded(splits, split, tokenizer):
            file.write(ids.astype(tokenizer.dtype, copy=False).tobytes())
            tokens += len(ids)
            characters += len(text)
            size += len(text.encode("utf-8", "surrogatepass"))
            unknown += tokenizer.unknown_characters(text, ids)
        file.flush()
        os.fsync(file.fileno())
    return TextCounts(tokens, characters, size, unknown)


def _encoded(splits: Splits, split: str, tokenizer: Tokenizer) -> Iterator[tuple[str, Ids]]:
    end = np.array([tokenizer.end_id], dtype=tokenizer.dtype) if splits.apart else None
    try:
        for document in splits.documents(split):
            yield from tokenizer.encode_stream(document)
            if end is not None:
                yield "\n", end  # it counts as the line end in whose place it stands
    except UnknownCharacterError as error:
        raise UnknownCharacterError(error.character, error.position, f" of the {split} split") from error
