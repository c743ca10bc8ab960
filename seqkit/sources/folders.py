"""Find the text files in a folder, and log which files are left out."""

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
"""Extensions of the files that are read in a folder; a compression extension may follow."""
ENDINGS_SHOWN = 4


def texts_in(folder: Path) -> list[Path]:
    """Text files in a folder and its subfolders, sorted by path; the files left out are logged.

    Raises:
        SourceError: the folder has no text file.
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
            f"  Use a glob for files with another extension: {str(folder / '**' / '*.log')!r}."
        )
    if left_out:
        logger.warning("%s: text files: %d; left out: %d (%s)", folder, len(texts), others.total(), left_out)
    return sorted(texts, key=lambda file: file.parts)


def ending(file: Path) -> str:
    """Extension that gives the format of a file, without a compression extension."""
    return Path(file.stem).suffix.lower() if file.suffix in NAMES else file.suffix.lower()


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


def _why_not(file: Path, folder: Path) -> str | None:
    """Why a file of the folder is not read; None if it is read."""
    if any(part.startswith(".") for part in file.relative_to(folder).parts):
        return "hidden"
    if ending(file) not in TEXT_ENDINGS:
        return file.suffix or "without an extension"
    try:
        return None if file.stat().st_size else "empty"
    except OSError:  # a broken link
        return "unreadable"
