"""Choose the rows of a dataset for training, validation and test."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from seqkit.errors import SourceError, did_you_mean
from seqkit.sources.hub_rows import Opened
from seqkit.sources.text import SPLITS

if TYPE_CHECKING:
    from seqkit.sources.hub_rows import Rows

logger = logging.getLogger(__name__)

EXAMPLE = 'for example split = {train = "train[:90%]", validation = "train[90%:]"} in [source]'


def wanted_splits(split: Mapping[str, str] | None, opened: Opened) -> dict[str, str]:
    """The dataset's split for each of our split names.

    Args:
        split: the user's mapping; None uses the dataset's names.
        opened: the dataset.
    Raises:
        SourceError: a split is missing, or there is no training split.
    """
    if split is not None:
        return _mapped(split, opened)
    what, theirs = opened.request.what, opened.split_names
    if not opened.has_own_splits:
        return {"all": theirs[0]}
    found = {name: name for name in SPLITS if name in theirs}
    others = [name for name in theirs if name not in found]
    if "train" not in found:
        raise SourceError(
            f"{what} has no split called train; it has {', '.join(theirs)}.\n"
            f'  Choose one: split = {{train = "{theirs[0]}"}} in [source], or {{all = "{theirs[0]}"}} '
            "for one text that seqkit splits."
        )
    if others:
        logger.warning(
            "%s: the splits %s are not used; assign them with split = {train = ..., validation = ...}",
            what,
            ", ".join(others),
        )
    return found


def _mapped(split: Mapping[str, str], opened: Opened) -> dict[str, str]:
    what, theirs, streaming = opened.request.what, opened.split_names, opened.request.streaming
    if set(split) != {"all"} and ("train" not in split or not set(split) <= set(SPLITS)):
        raise SourceError(
            "split needs the key train, and takes validation and test; or the key all on its own. "
            f"It has {', '.join(split) or 'no keys'}."
        )
    for ours, wanted in split.items():
        for part in wanted.split("+"):
            name, bracket, _ = part.strip().partition("[")
            if name not in theirs:
                raise SourceError(
                    f"{what} has no split {name!r}, as given for {ours}; it has {', '.join(theirs)}."
                    + did_you_mean(name, theirs)
                )
            if streaming and (bracket or "+" in wanted):
                raise SourceError(
                    f"{ours} = {wanted!r} is part of a split, or joins several; a stream has only whole "
                    "splits.\n  Use streaming = false, or whole splits."
                )
    if streaming and len(set(split.values())) < len(split):
        raise SourceError(
            f"two splits of {what} have the same rows: {dict(split)}.\n  A stream has only whole splits."
        )
    return {name: split[name] for name in ("all", *SPLITS) if name in split}


def cut_splits(theirs: Mapping[str, Rows], wanted: Mapping[str, str], what: str) -> dict[str, Rows]:
    """The rows of each of our splits, cut from the dataset's splits.

    Args:
        theirs: the dataset's splits, not streamed.
        wanted: by our split name, a split of the dataset or slices of it, in the syntax of `datasets`.
        what: the dataset, for messages.
    Raises:
        SourceError: a slice is invalid, or two splits share rows.
    """
    import datasets

    sizes = {name: len(rows) for name, rows in theirs.items()}
    taken: list[tuple[str, str, range]] = []
    cut: dict[str, Rows] = {}
    for ours, spec in wanted.items():
        try:
            parts = datasets.ReadInstruction.from_spec(spec).to_absolute(sizes)
        except (ValueError, AssertionError) as error:
            raise SourceError(
                f"{ours} = {spec!r} is not a valid slice: {error}.\n  Use valid slices, {EXAMPLE}."
            ) from error
        tables = []
        for part in parts:
            rows = range(sizes[part.splitname])[part.from_ : part.to]
            for other, name, before in taken:
                if name == part.splitname and max(rows.start, before.start) < min(rows.stop, before.stop):
                    raise SourceError(
                        f"the splits {other} and {ours} share rows of {name!r} of {what}: the model would be "
                        f"measured on its training data.\n  Use slices without common rows, {EXAMPLE}."
                    )
            taken.append((ours, part.splitname, rows))
            tables.append(theirs[part.splitname].select(rows))
        cut[ours] = tables[0] if len(tables) == 1 else datasets.concatenate_datasets(tables)
    return cut
