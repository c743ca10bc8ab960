"""Hugging Face datasets: from the Hub, from files, from a folder, or saved by `save_to_disk`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seqkit.errors import SourceError
from seqkit.fingerprint import fingerprint
from seqkit.sources.base import Piece, TextSource, cut_document
from seqkit.sources.hub_errors import calling_datasets
from seqkit.sources.hub_request import DataFiles, make_request
from seqkit.sources.hub_rows import open_dataset, rows_are_lines, text_column, text_columns, values
from seqkit.sources.hub_splits import cut_splits, wanted_splits

if TYPE_CHECKING:
    from seqkit.sources.hub_rows import Rows


@dataclass(frozen=True)
class RowCounts:
    """Number of rows of a split, and of rows without text."""

    rows: int
    """All rows, including those with text."""
    missing: int
    """Rows without a value; they are left out."""
    empty: int
    """Rows whose value is the empty string."""


class HubDataset(TextSource):
    """A text column of a dataset; each row is a document that ends with a line end.

    A row without a line end gets one, so that rows stay separate when documents are joined. Missing rows are
    left out; empty rows are left out or read as blank lines. `counts` and `notes` give their numbers.

    Args:
        path: a name on the Hub (`"owner/name"`); a file or a glob, read by its extension; several of
            these, in order; a folder of files; a folder that `save_to_disk` wrote; or a loader (`"json"`)
            with `data_files`.
        name: the configuration, if the dataset has several.
        split: the dataset's split for each of ours: `{"train": "train", "validation": "dev[:10%]"}`, with
            the slices of `datasets`; `{"all": "train"}` is one text that seqkit splits. Without it, splits
            called train, validation and test are used, and a dataset without splits is one text.
        column: the column with the text; without it, the one called `text`, or the only text column.
        data_files: the files of the folder, or of the dataset on the Hub, to read; or files for the loader.
        streaming: read row by row from the original location, without a copy in the cache of `datasets`.
        revision: a branch, tag or commit on the Hub.
        empty: `"keep"` reads an empty row as a blank line, `"drop"` leaves it out. By default it is kept if
            rows are lines: those of a text file, or rows whose only line end is at their end.
        delimiter: the character between the cells of CSV files; default: a comma, or a tab in `.tsv` files.
        encoding: the encoding of CSV, JSON and text files; default: UTF-8.

    Raises:
        SourceError: immediately for a missing path, configuration or split; while reading for a missing
            column and damaged files.
    """

    def __init__(
        self,
        path: str | Path | Sequence[str | Path],
        name: str | None = None,
        split: Mapping[str, str] | None = None,
        column: str | None = None,
        data_files: DataFiles | None = None,
        streaming: bool = False,
        revision: str | None = None,
        empty: Literal["keep", "drop"] | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
    ) -> None:
        self.request = make_request(
            str(path) if isinstance(path, str | Path) else [str(one) for one in path],
            name=name,
            data_files=data_files,
            revision=revision,
            streaming=streaming,
            delimiter=delimiter,
            encoding=encoding,
        )
        self._opened = open_dataset(self.request)
        self._wanted = wanted_splits(split, self._opened)
        self.splits = tuple(self._wanted)
        self.column = column
        self.empty = empty
        self.counts: dict[str, RowCounts] = {}
        """Number of rows without text, by split; available after the split was read once."""

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        """The rows of a split in order, each a document."""
        if split not in self._wanted:
            raise SourceError(f"there is no split {split!r}; the source has {', '.join(self.splits)}.")
        with calling_datasets(self.request):
            rows = self._rows[split]
            column = text_column(rows, self.column, self.request)
        row_count = missing = empty = 0
        for row_count, value in enumerate(values(rows, column, self.request), start=1):
            if value is not None and not isinstance(value, str):
                raise SourceError(
                    f"row {row_count} of the split {split!r} of {self.request.what} has {value!r} in the "
                    f"column {column!r}, which is not text.\n  CSV is streamed in parts, and a part with "
                    "only numbers is read as numbers: give JSON lines or Parquet, or use streaming = false."
                )
            missing += value is None
            empty += value == ""
            if value or (value is not None and self.keeps_empty):
                yield from cut_document(value if value.endswith("\n") else value + "\n")
        if missing + empty == row_count:
            rows_said = f"{row_count} rows, all of them without text" if row_count else "no rows"
            raise SourceError(
                f"the split {split!r} of {self.request.what} is empty: {rows_said} in the column {column!r}."
            )
        self.counts[split] = RowCounts(row_count, missing, empty)

    @cached_property
    def keeps_empty(self) -> bool:
        """Whether an empty row is read as a blank line."""
        if self.empty is not None:
            return self.empty == "keep"
        if self._opened.rows_are_lines:
            return True
        first = next(iter(self._rows.values()))
        return rows_are_lines(first, self.column_read, self.request)

    @property
    def notes(self) -> tuple[str, ...]:
        """Number of missing and of empty rows, by split."""
        return tuple(
            note
            for split, counts in self.counts.items()
            for note in _notes(counts, "" if split == "all" else f" of the split {split}", self.keeps_empty)
        )

    @property
    def row_count(self) -> int | None:
        """Number of rows in all splits; None if they are streamed."""
        with calling_datasets(self.request):
            counts = [rows.num_rows for rows in self._rows.values() if hasattr(rows, "num_rows")]
        return sum(counts) if len(counts) == len(self.splits) else None

    @property
    def columns(self) -> list[str]:
        """The columns that hold text."""
        with calling_datasets(self.request):
            return text_columns(next(iter(self._rows.values())))

    @property
    def column_read(self) -> str:
        """The column that is read.

        Raises:
            SourceError: there are several text columns, and none was named.
        """
        with calling_datasets(self.request):
            return text_column(next(iter(self._rows.values())), self.column, self.request)

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the options and of the contents of local files, or of the commit on the Hub."""
        with calling_datasets(self.request):
            identity = self._opened.identity()
        how = [self.empty, dict(self.request.options)]
        return fingerprint(["hf", identity, self._wanted, self.column, *how])

    @cached_property
    def _rows(self) -> dict[str, Rows]:
        """Rows of each of our splits."""
        theirs = self._opened.read()
        if self.request.streaming and self.request.kind != "saved":
            return {split: theirs[wanted] for split, wanted in self._wanted.items()}
        return cut_splits(theirs, self._wanted, self.request.what)


def _notes(counts: RowCounts, where: str, keeps_empty: bool) -> Iterator[str]:
    if counts.missing:
        yield f"missing rows{where}: {counts.missing:,} of {counts.rows:,}, left out"
    if counts.empty and keeps_empty:
        yield (
            f"empty rows{where}: {counts.empty:,} of {counts.rows:,}, kept as blank lines "
            "(source.empty=drop leaves them out)"
        )
    elif counts.empty:
        yield (
            f"empty rows{where}: {counts.empty:,} of {counts.rows:,}, left out "
            "(source.empty=keep reads blank lines)"
        )
