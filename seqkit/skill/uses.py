"""How often a test split was looked at: each look makes it a little less of a test."""

from __future__ import annotations

import json
from pathlib import Path

from filelock import FileLock

from seqkit.data.cache import cache_dir, writing_to
from seqkit.fingerprint import fingerprint


def count_use(source: str, test_from: str) -> int:
    """Count a look at the test split of some data, whichever run it was for, and say the how-manieth it is.

    The count is kept in the cache directory, so it is this machine's, and goes with the cache.
    """
    path = cache_dir() / "test-uses" / f"{fingerprint([source, test_from])}.json"
    with writing_to(path.parent), FileLock(path.with_suffix(".lock")):
        uses = _read(path) + 1
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({"uses": uses, "test_from": test_from}) + "\n", "utf-8")
        partial.replace(path)
    return uses


def _read(path: Path) -> int:
    try:
        return int(json.loads(path.read_text("utf-8"))["uses"])
    except (OSError, ValueError, KeyError):
        return 0
