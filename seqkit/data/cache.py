"""Tokenizers and texts in the cache; each entry is complete or absent."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seqkit.caching import cache_dir
from seqkit.data.split import Splits
from seqkit.errors import SourceError
from seqkit.fingerprint import fingerprint
from seqkit.locks import locked
from seqkit.tokenizers.base import Tokenizer


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Make a folder of the cache, and turn write errors in it into SourceError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise SourceError(
            f"the cache {folder} cannot be written: {error.strerror or error}.\n"
            "  Set SEQKIT_CACHE to a writable folder with enough space."
        ) from error


def trained_tokenizer(
    splits: Splits, train: Callable[..., Tokenizer], options: Mapping[str, Any]
) -> Tokenizer:
    """A tokenizer for the training split: from the cache, or trained and stored there.

    It is trained again if the text, the options or the source file of the class change.

    Args:
        splits: the text.
        train: a tokenizer class.
        options: keyword arguments for its `train`.
    """
    code = _source_of(train)
    folder = cache_dir() / "tokenizers"
    path = (
        folder / f"{fingerprint(['tokenizer', splits.fingerprint, repr(sorted(options.items())), code])}.json"
    )
    tokenizer_class: Any = train

    def found() -> Tokenizer | None:
        try:
            kept: Tokenizer = tokenizer_class.from_json(json.loads(path.read_text("utf-8")))
            return kept
        except (OSError, ValueError):
            return None  # missing, or truncated by a cache cleaner

    def trained() -> Tokenizer:
        made: Tokenizer = tokenizer_class.train(splits.texts("train"), **options)
        return made

    if code is None:
        return trained()
    if (tokenizer := found()) is not None:
        return tokenizer
    with writing_to(folder), locked(path.with_suffix(".lock")):
        if (tokenizer := found()) is None:  # otherwise another process was faster
            tokenizer = trained()
            new = path.with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps(tokenizer.to_json()), "utf-8")
            new.replace(path)
    return tokenizer


def _source_of(tokenizer_class: Any) -> str | None:
    """A hash of the source file of the class; None without a file, as in a notebook."""
    try:
        file = inspect.getsourcefile(tokenizer_class)
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else None
    except (OSError, TypeError):
        return None
