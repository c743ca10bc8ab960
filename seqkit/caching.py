"""Where computed results are kept; they may be deleted at any time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

HOLDS: Final = {
    "loops": "compiled steps",
    "corpora": "tokenised texts",
    "tokenizers": "trained tokenizers",
}
"""The folders of the cache, and what each holds."""


def cache_dir() -> Path:
    """`SEQKIT_CACHE`, or the user's cache directory."""
    import platformdirs

    chosen = os.environ.get("SEQKIT_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("seqkit", appauthor=False)


@dataclass(frozen=True)
class Kept:
    """What a folder of the cache holds.

    Attributes:
        holds: what its entries are.
        folder: the folder; it need not exist.
        entries: number of entries.
        size_bytes: size of all of them.
        used: when the last of them was written, or, for a compiled step, read.
    """

    holds: str
    folder: Path
    entries: int
    size_bytes: int
    used: datetime | None


def kept() -> list[Kept]:
    """What the cache holds, folder by folder."""
    return [_kept_in(cache_dir() / name, holds) for name, holds in HOLDS.items()]


def clear() -> None:
    """Remove every entry. What a running process uses of them stays with it until it ends."""
    for name in HOLDS:
        for entry in _entries(cache_dir() / name):
            with suppress(OSError):  # another process may have removed it
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _entries(folder: Path) -> list[Path]:
    """The entries of a folder; the locks of entries stay, since a process may wait for one."""
    found = folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ()
    return [path for path in found if path.suffix != ".lock"]


def _kept_in(folder: Path, holds: str) -> Kept:
    entries = _entries(folder)
    sizes = [status for entry in entries for status in _statuses(entry)]
    used = max((status.st_mtime for status in sizes), default=None)
    total = sum(status.st_size for status in sizes)
    return Kept(holds, folder, len(entries), total, None if used is None else datetime.fromtimestamp(used))


def _statuses(entry: Path) -> Iterator[os.stat_result]:
    for path in [entry, *entry.rglob("*")] if entry.is_dir() else [entry]:
        with suppress(OSError):
            if path.is_file():
                yield path.stat()
