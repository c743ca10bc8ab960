"""A folder of texts, read whole: which of its files are texts, and what is left out."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from seqkit.errors import SourceError
from seqkit.sources.compressed import NAMES

logger = logging.getLogger(__name__)

TEXT_ENDINGS = (".adoc", ".markdown", ".md", ".org", ".rst", ".tex", ".text", ".txt")
"""The endings of the files that are read in a folder; one of a compression may follow."""
ENDINGS_SHOWN = 4


def texts_in(folder: Path) -> list[Path]:
    """The texts in a folder and the folders below it, sorted by their paths; what is left out is logged.

    Raises:
        SourceError: there is no text in it.
    """
    texts: list[Path] = []
    others: Counter[str] = Counter()
    for file in _files(folder):
        why = _why_not(file, folder)
        if why is None:
            texts.append(file)
        else:
            others[why] += 1
    shown = sorted(others.items(), key=lambda item: (-item[1], item[0]))[:ENDINGS_SHOWN]
    left_out = ", ".join(f"{count} {why}" for why, count in shown)
    if more := others.total() - sum(count for _, count in shown):
        left_out += f", {more} of other kinds"
    if not texts:
        holds = f"it holds {left_out}" if left_out else "it is empty"
        raise SourceError(
            f"{folder} has no text file ({' '.join(TEXT_ENDINGS)}): {holds}.\n"
            f"  Name files with another ending by a glob: {str(folder / '**' / '*.log')!r}."
        )
    if left_out:
        logger.warning(
            "%s: files of text: %d; left out: %d (%s)", folder, len(texts), others.total(), left_out
        )
    return sorted(texts, key=lambda file: file.parts)


def ending(file: Path) -> str:
    """The ending of a name that says what is in the file, below that of a compression."""
    return Path(file.stem).suffix.lower() if file.suffix in NAMES else file.suffix.lower()


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


def _why_not(file: Path, folder: Path) -> str | None:
    """Why a file of the folder is not read; None where it is."""
    if any(part.startswith(".") for part in file.relative_to(folder).parts):
        return "hidden"
    if ending(file) not in TEXT_ENDINGS:
        return file.suffix or "without an ending"
    try:
        return None if file.stat().st_size else "empty"
    except OSError:  # a link that leads nowhere
        return "unreadable"
