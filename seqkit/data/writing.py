"""Write the ids of a text to disk, in one pass over the source and in bounded memory.

    splits.walk() ─► texts, cut where it is safe ─► batches ─► encoded, in order ─► <split>.bin
                                                                                 └─► progress.json

After a stop by Ctrl-C, a full disk or a lost connection, the next run continues from the last
progress.json: the text before it is read again, but not encoded again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np

from seqkit.data.parallel import map_in_order, processes_here
from seqkit.data.split import Splits
from seqkit.errors import UnknownCharacterError
from seqkit.tokenizers.base import Ids, Tokenizer, safe_pieces

OnProgress: TypeAlias = Callable[[int, int | None], None]
"""Called with the number of tokenised characters, and the total or None if unknown."""

PROGRESS = "progress.json"
SAVE_EVERY = 32_000_000
"""Characters between two saves of the progress."""
BATCH = 1 << 18
"""Characters that are encoded at once."""
PARALLEL_FROM = 32_000_000
"""Length of a text, in characters, from which a slow tokenizer gets several processes."""


@dataclass
class TextCounts:
    """Amount of text in a split, as it was read."""

    tokens: int = 0
    characters: int = 0
    bytes: int = 0
    """Number of bytes in UTF-8."""
    unknown_characters: int = 0
    """Characters that are not in the vocabulary."""

    def add(self, tokens: int, text: str, unknown: int) -> None:
        """Add the counts of a text."""
        self.tokens += tokens
        self.characters += len(text)
        self.bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        self.unknown_characters += unknown


def write_ids(
    splits: Splits, tokenizer: Tokenizer, folder: Path, on_progress: OnProgress | None = None
) -> dict[str, TextCounts]:
    """Write the ids of every split into the folder, and count the text they represent.

    Args:
        splits: the text.
        tokenizer: tokenizer trained on the text.
        folder: created if missing; it may hold the progress of a process that was stopped.
        on_progress: called after every batch.
    Raises:
        UnknownCharacterError: an unknown character, with its position in its split.
    """
    folder.mkdir(exist_ok=True)
    done, counts = _read_progress(folder, splits)
    end = np.array([tokenizer.end_id or 0], tokenizer.dtype).tobytes()
    characters = saved = sum(count.characters for count in counts.values())
    with ExitStack() as stack:
        files = {split: stack.enter_context((folder / f"{split}.bin").open("ab")) for split in counts}
        for split, file in files.items():
            file.truncate(counts[split].tokens * tokenizer.dtype.itemsize)
        batches = islice(_batches(_texts(splits, tokenizer)), done, None)
        encoded = map_in_order(partial(_encode, tokenizer), batches, _processes(splits, tokenizer))
        for number, (batch, results) in enumerate(encoded, start=done + 1):
            for (split, text, ends), result in zip(batch, results, strict=True):
                if isinstance(result, _Unknown):
                    position = counts[split].characters + result.position
                    raise UnknownCharacterError(result.character, position, f" of the {split} split")
                ids, unknown = result
                files[split].write(ids.tobytes())
                counts[split].add(len(ids), text, unknown)
                if ends:
                    # An end token counts as the line end that it replaces.
                    files[split].write(end)
                    counts[split].add(1, "\n", 0)
                characters += len(text) + ends
            if on_progress is not None:
                on_progress(characters, splits.characters)
            if characters - saved >= SAVE_EVERY:
                saved = characters
                _save_progress(folder, number, counts, files)
        for file in files.values():
            _to_disk(file)
    (folder / PROGRESS).unlink(missing_ok=True)
    return counts


class _Text(NamedTuple):
    """A text of a split that can be encoded separately, and whether an end token follows."""

    split: str
    text: str
    ends: bool


class _Unknown(NamedTuple):
    """A character that a strict tokenizer does not know."""

    character: str
    position: int


def _texts(splits: Splits, tokenizer: Tokenizer) -> Iterator[_Text]:
    """The texts of all documents, cut at safe positions."""
    for split, document in splits.walk():
        waiting = None
        for text in safe_pieces(document, tokenizer.safe_cut):
            if waiting is not None:
                yield _Text(split, waiting, False)
            waiting = text
        if waiting is not None:
            yield _Text(split, waiting, splits.apart)


def _batches(texts: Iterator[_Text]) -> Iterator[list[_Text]]:
    """Batches of texts that are encoded at once: short documents together."""
    batch: list[_Text] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text.text) + 1
        if characters >= BATCH:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _processes(splits: Splits, tokenizer: Tokenizer) -> int:
    large = splits.characters is not None and splits.characters >= PARALLEL_FROM
    return processes_here() if large and tokenizer.is_slow else 1


def _encode(tokenizer: Tokenizer, batch: Sequence[_Text]) -> list[tuple[Ids, int] | _Unknown]:
    """The ids of each text, and the number of its unknown characters."""
    results: list[tuple[Ids, int] | _Unknown] = []
    for _, text, _ in batch:
        try:
            ids = tokenizer.encode(text).astype(tokenizer.dtype, copy=False)
        except UnknownCharacterError as error:
            return [*results, *[_Unknown(error.character, error.position)] * (len(batch) - len(results))]
        results.append((ids, tokenizer.unknown_characters(text, ids)))
    return results


def _read_progress(folder: Path, splits: Splits) -> tuple[int, dict[str, TextCounts]]:
    """The number of batches already written, and their counts."""
    try:
        saved = json.loads((folder / PROGRESS).read_text("utf-8"))
        return saved["batches"], {split: TextCounts(**saved["splits"][split]) for split in splits.names}
    except (OSError, ValueError, KeyError, TypeError):
        return 0, {split: TextCounts() for split in splits.names}


def _save_progress(
    folder: Path, batches: int, counts: Mapping[str, TextCounts], files: Mapping[str, IO[bytes]]
) -> None:
    for file in files.values():
        _to_disk(file)
    described: dict[str, Any] = {
        "batches": batches,
        "splits": {split: asdict(c) for split, c in counts.items()},
    }
    with (folder / f"{PROGRESS}.new").open("w", encoding="utf-8") as new:
        json.dump(described, new)
        _to_disk(new)
    (folder / f"{PROGRESS}.new").replace(folder / PROGRESS)


def _to_disk(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())
