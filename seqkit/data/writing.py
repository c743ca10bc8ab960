"""Text to ids on disk, in one pass over the source and in bounded memory.

    splits.walk() ─► texts, cut where it is safe ─► encoded ─► appended to <split>.bin
                                                                     └─► progress.json, now and then

Whoever is stopped, by Ctrl-C, a full disk or a lost connection, goes on at the last progress.json: the
text before it is read again, and not encoded again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from seqkit.data.split import Splits
from seqkit.errors import UnknownCharacterError
from seqkit.tokenizers.base import Ids, Tokenizer, safe_pieces

OnProgress: TypeAlias = Callable[[int, int | None], None]
"""Is told how many characters were tokenised, and of how many, where that is known."""

PROGRESS = "progress.json"
SAVE_EVERY = 32_000_000
"""Characters between two records of the progress."""


@dataclass
class TextCounts:
    """How much text a split holds, as it was read."""

    tokens: int = 0
    characters: int = 0
    bytes: int = 0
    """In UTF-8."""
    unknown_characters: int = 0
    """Characters that the vocabulary lacks."""

    def add(self, tokens: int, text: str, unknown: int) -> None:
        """Count one more text."""
        self.tokens += tokens
        self.characters += len(text)
        self.bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        self.unknown_characters += unknown


def write_ids(
    splits: Splits, tokenizer: Tokenizer, folder: Path, on_progress: OnProgress | None = None
) -> dict[str, TextCounts]:
    """Write the ids of every split into the folder, and count what they stand for.

    Args:
        splits: the text.
        tokenizer: trained on it.
        folder: is made, or holds what another process had written when it was stopped.
        on_progress: is called after every text.
    Raises:
        UnknownCharacterError: with its position in its split.
    """
    folder.mkdir(exist_ok=True)
    done, counts = _read_progress(folder, splits)
    characters = sum(count.characters for count in counts.values())
    saved = characters
    with ExitStack() as stack:
        files = {split: stack.enter_context((folder / f"{split}.bin").open("ab")) for split in counts}
        for split, file in files.items():
            file.truncate(counts[split].tokens * tokenizer.dtype.itemsize)
        for index, (split, text, ends) in enumerate(_texts(splits, tokenizer)):
            if index < done:
                continue
            ids = _encode(tokenizer, split, text, counts[split].characters)
            files[split].write(ids.tobytes())
            counts[split].add(len(ids), text, tokenizer.unknown_characters(text, ids))
            characters += len(text)
            if ends:
                # An end token counts as the line end in whose place it stands.
                files[split].write(np.array([tokenizer.end_id], tokenizer.dtype).tobytes())
                counts[split].add(1, "\n", 0)
                characters += 1
            if on_progress is not None:
                on_progress(characters, splits.characters)
            if characters - saved >= SAVE_EVERY:
                saved = characters
                _save_progress(folder, index + 1, counts, files)
        for file in files.values():
            _to_disk(file)
    (folder / PROGRESS).unlink(missing_ok=True)
    return counts


def _texts(splits: Splits, tokenizer: Tokenizer) -> Iterator[tuple[str, str, bool]]:
    """Split, text, and whether an end token follows: the texts of a document are cut where it is safe."""
    for split, document in splits.walk():
        waiting = None
        for text in safe_pieces(document, tokenizer.safe_cut):
            if waiting is not None:
                yield split, waiting, False
            waiting = text
        if waiting is not None:
            yield split, waiting, splits.apart


def _encode(tokenizer: Tokenizer, split: str, text: str, offset: int) -> Ids:
    try:
        return tokenizer.encode(text).astype(tokenizer.dtype, copy=False)
    except UnknownCharacterError as error:
        where = f" of the {split} split"
        raise UnknownCharacterError(error.character, offset + error.position, where) from error


def _read_progress(folder: Path, splits: Splits) -> tuple[int, dict[str, TextCounts]]:
    """How many texts are written already, and what they hold."""
    try:
        saved = json.loads((folder / PROGRESS).read_text("utf-8"))
        return saved["texts"], {split: TextCounts(**saved["splits"][split]) for split in splits.names}
    except (OSError, ValueError, KeyError, TypeError):
        return 0, {split: TextCounts() for split in splits.names}


def _save_progress(
    folder: Path, texts: int, counts: Mapping[str, TextCounts], files: Mapping[str, IO[bytes]]
) -> None:
    for file in files.values():
        _to_disk(file)
    described: dict[str, Any] = {"texts": texts, "splits": {split: asdict(c) for split, c in counts.items()}}
    with (folder / f"{PROGRESS}.new").open("w", encoding="utf-8") as new:
        json.dump(described, new)
        _to_disk(new)
    (folder / f"{PROGRESS}.new").replace(folder / PROGRESS)


def _to_disk(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())
