"""Choose the source for the user's data: text files, or a table of texts, by the type of each file."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from seqkit.errors import SourceError
from seqkit.fingerprint import fingerprint
from seqkit.sources.base import Piece, TextSource
from seqkit.sources.folders import TEXT_ENDINGS, ending
from seqkit.sources.hub_request import LOADER_OF, SAVED

Kind: TypeAlias = Literal["text", "table", "saved"]
Given: TypeAlias = str | Path | Sequence[str | Path] | Mapping[str, Any]
"""A file, a folder or a glob; several of these; or one of these per split."""

TABLES = {name: loader for name, loader in LOADER_OF.items() if name not in TEXT_ENDINGS}
"""Extensions of files whose rows hold texts, and the loader of each."""


def choose_source(given: Given) -> dict[str, Any]:
    """Keys of a `[source]` table that reads the given data: `use`, and the location of the data.

    Raises:
        SourceError: texts and tables are mixed, or a saved dataset is given together with others.
    """
    if isinstance(given, Mapping):
        return _for_splits(given)
    paths = _listed(given)
    kind = _common_kind(paths)
    path = paths[0] if len(paths) == 1 else paths
    return {"use": "text" if kind == "text" else "hf", "path": path}


def choose_prices(given: Given) -> dict[str, Any]:
    """Keys of a `[source]` table that reads a price file.

    Raises:
        SourceError: several files are given.
    """
    paths = [given] if isinstance(given, str | Path) else list(given)
    if len(paths) != 1:
        raise SourceError(f"a recipe for series reads one price file, and got {len(paths)}.")
    return {"use": "prices", "path": paths[0]}


class Whole(TextSource):
    """All splits of a source, joined in order."""

    def __init__(self, source: TextSource) -> None:
        self.source = source

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        """The text of each split, in order."""
        for one in self.source.splits:
            yield from self.source.pieces(one)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the source."""
        return self.source.notes

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the source, read as one split."""
        return fingerprint(["whole", self.source.fingerprint])


def describe_source(source: TextSource) -> str:
    """Name of the source, with the column and number of rows, or the number of files, that it reads."""
    from seqkit.sources.hub import HubDataset
    from seqkit.sources.text import TextFiles

    if isinstance(source, Whole):
        return describe_source(source.source)
    if isinstance(source, HubDataset):
        count = source.row_count
        rows = "" if count is None else ", 1 row" if count == 1 else f", {count:,} rows"
        return f"source hf, column {source.column_read!r}{rows}"
    if isinstance(source, TextFiles):
        count = sum(map(len, source.files.values()))
        return "source text" if count == 1 else f"source text, {count} files"
    return f"source {type(source).__name__}"


def kind_of(path: str) -> Kind:
    """Kind of a file, of a folder or of the files of a glob; a missing path counts as text."""
    path = os.path.expanduser(path)
    if os.path.isdir(path):
        if any(os.path.isfile(os.path.join(path, name)) for name in SAVED):
            return "saved"
        names = [Path(name) for _, _, names in os.walk(path) for name in names]
    elif glob.has_magic(path) and not os.path.exists(path):
        names = [Path(name) for name in glob.glob(path, recursive=True)]
    else:
        names = [Path(path)]
    endings = {ending(name) for name in names}
    return "table" if endings & set(TABLES) and not endings & set(TEXT_ENDINGS) else "text"


def _listed(given: Any) -> list[str]:
    return [str(given)] if isinstance(given, str | Path) else [str(path) for path in given]


def _common_kind(paths: Sequence[str]) -> Kind:
    kinds: dict[Kind, str] = {}
    for path in paths:
        kinds.setdefault(kind_of(path), path)
    if len(kinds) > 1:
        said = {"text": "a text", "table": "a table of texts", "saved": "a saved dataset"}
        first, second, *_ = (f"{path} is {said[kind]}" for kind, path in kinds.items())
        raise SourceError(f"{first}, and {second}.\n  Give files of one kind.")
    (kind,) = kinds or {"text": ""}
    if kind == "saved" and len(paths) > 1:
        raise SourceError(f"{paths[0]} is a saved dataset: give it on its own.")
    return kind


def _for_splits(given: Mapping[str, Any]) -> dict[str, Any]:
    paths = [path for each in given.values() for path in _listed(each)]
    kind = _common_kind(paths)
    if kind == "text":
        return {"use": "text", "path": dict(given)}
    loaders = {TABLES.get(ending(Path(path)), "") for path in paths}
    if kind == "saved" or len(loaders) > 1 or "" in loaders:
        raise SourceError(
            f"the splits of a table must be files of one format ({', '.join(TABLES)}); "
            f"got {', '.join(paths)}."
        )
    return {"use": "hf", "path": loaders.pop(), "data_files": dict(given)}
