"""A dataset opened by `datasets`: its splits, its rows, and the text column."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import regex

from seqkit.errors import SourceError, did_you_mean
from seqkit.sources.compressed import open_bytes, read_bytes
from seqkit.sources.hub_errors import calling_datasets, columns_differ
from seqkit.sources.hub_request import Request, check_options

if TYPE_CHECKING:
    import datasets

    Rows: TypeAlias = datasets.Dataset | datasets.IterableDataset

USUAL_COLUMN = "text"
"""Usual name of the text column."""
TEXT_TYPES = ("string", "large_string", "string_view")
LOCAL_OPTIONS: dict[str, dict[str, Any]] = {
    "text": {"encoding": "utf-8-sig"},  # a byte order mark is not part of the text
    # Otherwise the words None, NA, null and nan would be read as missing; an empty cell is missing.
    "csv": {"keep_default_na": False, "na_values": [""]},
}
NAMES_A_SPLIT = regex.compile(r"(?:^|[-._ 0-9/])train(?:ing)?(?:[-._ 0-9/]|$)")
"""How `datasets` finds the name of the training split in the name of a file or folder."""
OTHER_DELIMITERS = {";": ";", "\t": r"\t", "|": "|"}
"""Other delimiters of CSV files, and how each is written in TOML."""
HEADER_BYTES = 1 << 14
ROWS_AT_ONCE = 1000
CHARACTERS_AT_ONCE = 1 << 20
ROWS_LOOKED_AT = 100
"""First rows that determine the types of the columns, if a stream does not declare them."""


@dataclass(frozen=True)
class Opened:
    """A dataset, before its rows are read."""

    request: Request
    split_names: tuple[str, ...]
    """Names of the splits in the dataset; `train` for a single split without a name."""
    has_own_splits: bool
    """Whether the dataset defines which rows are for training; a single file does not."""
    identity: Callable[[], Any]
    """Identifies the data: the bytes of files on this machine, or the commit of a dataset on the Hub."""
    read: Callable[[], Mapping[str, Rows]]
    """Reads the rows of each split."""
    rows_are_lines: bool
    """Whether the rows are the lines of a text file, where an empty row is an empty line."""


def open_dataset(request: Request) -> Opened:
    """Open the requested dataset.

    Raises:
        SourceError: the dataset cannot be opened.
    """
    with calling_datasets(request):
        return _open_saved(request) if request.kind == "saved" else _open_built(request)


def _open_saved(request: Request) -> Opened:
    import datasets

    saved = datasets.load_from_disk(request.path)
    tables = dict(saved) if isinstance(saved, datasets.DatasetDict) else {"train": saved}

    def identity() -> Any:
        return {
            split: [_digest(file["filename"]) for file in table.cache_files]
            for split, table in tables.items()
        }

    return Opened(
        request,
        split_names=tuple(tables),
        has_own_splits=isinstance(saved, datasets.DatasetDict),
        identity=identity,
        read=lambda: tables,
        rows_are_lines=any(table.info.builder_name == "text" for table in tables.values()),
    )


def _open_built(request: Request) -> Opened:
    builder = _builder(request)
    files: Mapping[Any, Any] = builder.config.data_files or {}

    def identity() -> Any:
        if request.kind == "hub":
            return [request.path, builder.config.name, builder.hash, request.data_files]
        digests = {
            str(split): [_digest(file) for file in files[split]] + _tags(files[split]) for split in files
        }
        return [builder.name, builder.config.name, digests]

    def read() -> Mapping[str, Rows]:
        if request.streaming:
            return {str(split): rows for split, rows in builder.as_streaming_dataset().items()}
        builder.download_and_prepare()
        return {str(split): rows for split, rows in builder.as_dataset().items()}

    names = tuple(str(split) for split in files or builder.info.splits or ()) or tuple(read())
    return Opened(
        request,
        split_names=names,
        has_own_splits=names != ("train",) or _says_train(request, files),
        identity=identity,
        read=read,
        rows_are_lines=builder.info.builder_name == "text",
    )


def rows_are_lines(rows: Rows, column: str, request: Request) -> bool:
    """Whether each row is a line: the only line end of the first rows with text is at their end."""
    first = islice((value for value in values(rows, column, request) if value), ROWS_LOOKED_AT)
    found = [isinstance(value, str) and value.find("\n") == len(value) - 1 for value in first]
    return bool(found) and all(found)


def _builder(request: Request) -> Any:
    import datasets

    options = {"name": request.name, "data_files": request.data_files, "revision": request.revision}
    builder = datasets.load_dataset_builder(request.loader, **options)
    check_options(request.options, builder.name, request.what)
    if builder.name == "csv" and "sep" not in request.options:
        _check_commas(builder.config.data_files)
    # Declared features are right as they are, and a Hub dataset is found in the cache only without options.
    is_plain = request.kind != "hub" and builder.info.features is None
    extra = {**(LOCAL_OPTIONS.get(builder.name, {}) if is_plain else {}), **request.options}
    if not extra:
        return builder
    if request.kind == "folder":
        options["name"] = builder.config.name
    return datasets.load_dataset_builder(request.loader, **options, **extra)


def _check_commas(files: Mapping[Any, Any]) -> None:
    """Raise SourceError if the header of a CSV file on this machine shows another delimiter."""
    for file in (Path(name) for names in files.values() for name in names if "://" not in name):
        with open_bytes(file) as stream:
            header = read_bytes(stream, file, HEADER_BYTES).split(b"\n", 1)[0].decode("utf-8", "replace")
        found = [mark for mark in OTHER_DELIMITERS if mark in header]
        if found and "," not in header:
            raise SourceError(
                f"{file.name} has no comma in its header, {header.strip()[:60]!r}.\n"
                f"  Set the character between its cells: 'source.delimiter=\"{OTHER_DELIMITERS[found[0]]}\"'"
            )


def _says_train(request: Request, files: Mapping[Any, Any]) -> bool:
    """Whether the only split was named train explicitly, and did not get this name by default."""
    if isinstance(request.data_files, Mapping):
        return True
    if request.kind == "folder" and request.data_files is None:
        folder = str(Path(request.path).resolve()) + "/"
        return any(NAMES_A_SPLIT.search(str(file).removeprefix(folder)) for file in files["train"])
    return request.kind == "hub" and request.data_files is None


def _digest(file: str) -> str:
    if "://" in file:
        return file
    with Path(file).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _tags(files: Any) -> list[Any]:
    """Tags that distinguish versions of remote files."""
    elsewhere = [file for file in files if "://" in file]
    return [list(tag) for tag in files.origin_metadata] if elsewhere else []


def text_column(rows: Rows, column: str | None, request: Request) -> str:
    """The column to read: the named one, else the one called `text`, else the only text column.

    Raises:
        SourceError: the column is missing, not text, or not unique; the message lists the columns.
    """
    types = _column_types(rows)
    if not types:
        raise SourceError(f"{request.what} is empty: it has no rows.")
    texts = text_columns(rows)
    has = ", ".join(f"{name} ({type_name})" for name, type_name in types.items())
    if column is None:
        if USUAL_COLUMN in texts:
            return USUAL_COLUMN
        if len(texts) == 1 and len(types) > 1 and texts[0].strip().lower() in DATES:
            raise SourceError(
                f"{request.what} has no text column except {texts[0]!r}: it looks like prices.\n"
                f"  Forecast them: seqkit run stocks --data FILE. To train on that column as text: "
                f"source.column={texts[0]}"
            )
        if len(texts) == 1:
            return texts[0]
        if not texts:
            raise SourceError(f"{request.what} has no text column; it has {has}.")
        raise SourceError(
            f"{request.what} has {len(texts)} text columns: {', '.join(texts)}.\n"
            f"  Choose one: source.column={texts[0]}"
        )
    if column not in types:
        raise SourceError(
            f"{request.what} has no column {column!r}.{did_you_mean(column, types)}\n  It has {has}."
        )
    if column not in texts:
        raise SourceError(
            f"the column {column!r} of {request.what} holds {types[column]}, not text.\n"
            f"  Text columns: {', '.join(texts) or 'none'}."
        )
    return column


DATES = ("date", "datetime", "timestamp", "time", "day")
"""Names of a date column: if it is the only text column, the data is taken for prices."""


def text_columns(rows: Rows) -> list[str]:
    """Names of the text columns."""
    return [name for name, type_name in _column_types(rows).items() if type_name in TEXT_TYPES]


def _column_types(rows: Rows) -> dict[str, str]:
    import datasets

    if rows.features is not None:
        return {
            name: feature.dtype if isinstance(feature, datasets.Value) else type(feature).__name__
            for name, feature in rows.features.items()
        }
    types: dict[str, str] = {}
    for row in rows.take(ROWS_LOOKED_AT):
        for name, value in row.items():
            if types.get(name, "null") == "null":
                said = "string" if isinstance(value, str) else type(value).__name__
                types[name] = "null" if value is None else said
    return types


def values(rows: Rows, column: str, request: Request) -> Iterator[Any]:
    """The column, row by row; about a thousand rows or a million characters are in memory at a time."""
    import datasets

    if rows.features is not None:  # otherwise files may differ, which is checked below
        rows = rows.select_columns([column])
    if not isinstance(rows, datasets.IterableDataset):
        for batch in rows.iter(batch_size=ROWS_AT_ONCE // 10):
            yield from batch[column]
        return
    stream = iter(rows)
    while True:
        chunk = []
        characters = 0
        with calling_datasets(request):
            for row in stream:
                if column not in row:
                    raise SourceError(columns_differ(request))
                chunk.append(row[column])
                characters += len(row[column] or "") if isinstance(row[column], str) else 0
                if len(chunk) == ROWS_AT_ONCE or characters >= CHARACTERS_AT_ONCE:
                    break
        if not chunk:
            return
        yield from chunk
