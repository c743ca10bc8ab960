"""Hugging Face datasets: from the Hub, from files, from a folder, or saved by `save_to_disk`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from seqkit.errors import SourceError
from seqkit.fingerprint import fingerprint
from seqkit.sources.base import Piece, TextSource, cut_document
from seqkit.sources.hub_errors import calling_datasets
from seqkit.sources.hub_request import DataFiles, make_request
from seqkit.sources.hub_rows import open_dataset, text_column, values
from seqkit.sources.hub_splits import cut_splits, wanted_splits

if TYPE_CHECKING:
    from seqkit.sources.hub_rows import Rows

logger = logging.getLogger(__name__)


class HubDataset(TextSource):
    """A column of text of a dataset; a row is a document, and ends with a line end.

    A row that has no line end gets one, so that rows stay apart where documents are joined. A row that is
    missing or empty is skipped, and counted in `skipped`; in a text file it is an empty line.

    Args:
        path: a name on the Hub (`"owner/name"`); a file or a glob, read by its extension; a folder of
            files; a folder that `save_to_disk` wrote; or a loader (`"json"`) with `data_files`.
        name: the configuration, where the dataset has several.
        split: which of the dataset's splits is what: `{"train": "train", "validation": "dev[:10%]"}`, with
            the slices of `datasets`; `{"all": "train"}` is one text for seqkit to cut. Without it, splits
            called train, validation and test are used, and a dataset without splits is one text.
        column: of the text; found where there is only one.
        data_files: which files of the folder, or of the dataset on the Hub; or those for the loader.
        streaming: read row by row from where the data is, without a copy in the cache of `datasets`.
        revision: a branch, tag or commit on the Hub.

    Raises:
        SourceError: at once for a path, configuration or split that is not there; while reading for a
            missing column and damaged files.
    """

    def __init__(
        self,
        path: str | Path,
        name: str | None = None,
        split: Mapping[str, str] | None = None,
        column: str | None = None,
        data_files: DataFiles | None = None,
        streaming: bool = False,
        revision: str | None = None,
    ) -> None:
        self.request = make_request(
            str(path), name=name, data_files=data_files, revision=revision, streaming=streaming
        )
        self._opened = open_dataset(self.request)
        self._wanted = wanted_splits(split, self._opened)
        self.splits = tuple(self._wanted)
        self.column = column
        self.skipped: dict[str, int] = {}
        """How many rows had no text, by split; known when the split has been read once."""

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        """The rows of a split in order, each a document."""
        if split not in self._wanted:
            raise SourceError(f"there is no split {split!r}; the source has {', '.join(self.splits)}.")
        with calling_datasets(self.request):
            rows = self._rows[split]
            column = text_column(rows, self.column, self.request)
        row_count = skipped = 0
        for row_count, value in enumerate(values(rows, column, self.request), start=1):
            if value is not None and not isinstance(value, str):
                raise SourceError(
                    f"row {row_count} of the split {split!r} of {self.request.what} holds {value!r} in the "
                    f"column {column!r}, and no text.\n  A stream of CSV is read part by part, and a part "
                    "with numbers only as numbers: give JSON lines or Parquet, or use streaming = false."
                )
            if value or (value is not None and self._opened.rows_are_lines):
                yield from cut_document(value if value.endswith("\n") else value + "\n")
            else:
                skipped += 1
        if skipped == row_count:
            rows_said = f"{row_count} rows, all of them without text" if row_count else "no row"
            raise SourceError(
                f"the split {split!r} of {self.request.what} is empty: {rows_said} in the column {column!r}."
            )
        if skipped and split not in self.skipped:
            logger.info("%s: %d of %d rows without text are skipped", split, skipped, row_count)
        self.skipped[split] = skipped

    @cached_property
    def fingerprint(self) -> str:
        """Of the bytes of local files, or the commit of a dataset on the Hub; and of the options."""
        with calling_datasets(self.request):
            identity = self._opened.identity()
        return fingerprint(["hf", identity, self._wanted, self.column])

    @cached_property
    def _rows(self) -> dict[str, Rows]:
        """The rows of each split of ours."""
        theirs = self._opened.read()
        if self.request.streaming and self.request.kind != "saved":
            return {split: theirs[wanted] for split, wanted in self._wanted.items()}
        return cut_splits(theirs, self._wanted, self.request.what)
