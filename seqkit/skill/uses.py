"""How often the rows of a test split were looked at: each look makes them a little less of a test.

A row is identified by its date, its return and the return before it. So it is the same row in a newer file,
in another recipe and with other symbols in the file.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqkit.caching import cache_dir
from seqkit.data.cache import writing_to
from seqkit.locks import locked
from seqkit.skill.judging import Truth

DIGITS = 5
"""Digits of a log return that are used to identify a row."""

Keys = NDArray[np.int64]


def count_use(truths: Sequence[Truth]) -> int:
    """Count a look at these rows, for any run; return how often the most seen of them was looked at.

    The count is kept in the cache directory, so it is for this machine only, and is lost with the cache.
    """
    path = cache_dir() / "test-uses.npy"
    seen = np.unique(np.concatenate([_keys(truth) for truth in truths]), axis=0)
    with writing_to(path.parent), locked(path.with_suffix(".lock")):
        known = _read(path)
        keys, places = np.unique(np.concatenate([known[:, :3], seen]), axis=0, return_inverse=True)
        uses = np.zeros(len(keys), dtype=np.int64)
        np.add.at(uses, places.ravel(), np.concatenate([known[:, 3], np.ones(len(seen), dtype=np.int64)]))
        partial = path.with_suffix(".partial.npy")
        np.save(partial, np.column_stack([keys, uses]), allow_pickle=False)
        partial.replace(path)
        return int(uses[places.ravel()[len(known) :]].max(initial=0))


def _keys(truth: Truth) -> Keys:
    """Date and rounded returns of the first row ahead of each origin, `(rows, 3)`; rows with a 0 left out."""
    dates = truth.dates.astype("datetime64[s]").astype(np.int64)
    returns = np.round(np.stack([truth.actual[:, 0], truth.previous]) * 10**DIGITS).astype(np.int64)
    keys: Keys = np.stack([dates, *returns], 1)[returns.all(0)]
    return keys


def _read(path: object) -> Keys:
    """Rows of `date, return, previous return, uses`; no rows if the file is missing or unreadable."""
    try:
        known = np.load(str(path), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        known = np.empty((0, 4), dtype=np.int64)
    return known if known.ndim == 2 and known.shape[1] == 4 else np.empty((0, 4), dtype=np.int64)
