"""Find out what the `path` of a Hugging Face dataset is: a file, a folder, a loader, or a name on the Hub.

The path is checked first, since `datasets` reports a missing file as a failure to reach the Hub.
"""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

from seqkit.errors import SourceError

DataFiles: TypeAlias = str | Sequence[str] | Mapping[str, str | Sequence[str]]
Kind: TypeAlias = Literal["file", "folder", "saved", "loader", "hub"]

LOADER_OF = {
    ".arrow": "arrow",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".tsv": "csv",
    ".txt": "text",
}
LOADERS = tuple(dict.fromkeys(LOADER_OF.values()))
COMPRESSED = (".bz2", ".gz", ".xz", ".zst")
SAVED = ("dataset_dict.json", "state.json")
"""Files that identify a folder written by `save_to_disk`."""


@dataclass(frozen=True)
class Request:
    """A request to `datasets`."""

    kind: Kind
    path: str
    """The path as given, with `~` expanded; several files are separated by commas."""
    loader: str
    """First argument for `datasets`: the loader for a file's extension, otherwise the path itself."""
    data_files: DataFiles | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    """Further keyword arguments for the loader."""
    name: str | None = None
    revision: str | None = None
    streaming: bool = False

    @property
    def what(self) -> str:
        """Name of the dataset in messages."""
        return f"the dataset {self.path!r}"


def looks_local(path: str, there: str | None = None) -> bool:
    """Whether a path is a file or a folder, and not a name on the Hub, such as `owner/name`.

    Args:
        path: the path as written.
        there: its location on this machine, if the path is not relative to the working directory.
    """
    if "://" in path or path in LOADERS:
        return False
    written_so = path.startswith(("./", "../", "/", "~")) or path in (".", "..") or path.count("/") > 1
    return written_so or bool(_extension(path)) or glob.has_magic(path) or os.path.exists(there or path)


def make_request(
    path: str | Sequence[str],
    *,
    name: str | None = None,
    data_files: DataFiles | None = None,
    revision: str | None = None,
    streaming: bool = False,
    delimiter: str | None = None,
    encoding: str | None = None,
) -> Request:
    """Find out what the path is, and make the request.

    Raises:
        SourceError: a file or folder is missing, or an option does not apply to this kind of dataset.
    """
    if not isinstance(path, str):
        request = _files_request([os.path.expanduser(one) for one in path], data_files)
    elif path in LOADERS:
        if data_files is None:
            raise SourceError(
                f"path = {path!r} is a loader of datasets, and needs files to read: "
                f'data_files = "my.{path}".\n  A folder of that name is written path = "./{path}".'
            )
        request = Request("loader", path, path, _existing(data_files))
    elif looks_local(path):
        request = _local(os.path.expanduser(path), data_files)
    else:
        request = Request("hub", path, path, data_files)
    if request.kind != "hub" and revision is not None:
        raise SourceError(
            f"revision = {revision!r} is for datasets on the Hub, and {path} is on this machine."
        )
    if request.kind not in ("hub", "folder") and name is not None:
        raise SourceError(
            f"name = {name!r} chooses a configuration of a dataset, and {path} has none.\n"
            "  Leave it out (source.name=none); column and split choose what is read."
        )
    read = {"sep": delimiter, "encoding": encoding}
    options = {**request.options, **{key: value for key, value in read.items() if value is not None}}
    if options and request.kind == "saved":
        raise SourceError(
            f"{path} was saved by save_to_disk: leave out {' and '.join(_KEYS[key] for key in options)}."
        )
    return replace(request, name=name, revision=revision, streaming=streaming, options=options)


_KEYS = {"sep": "source.delimiter", "encoding": "source.encoding"}
_TAKEN_BY = {"sep": ("csv",), "encoding": ("csv", "json", "text")}


def check_options(options: Mapping[str, str], loader: str, what: str) -> None:
    """Raise SourceError if a loader of `datasets` does not accept one of the reading options."""
    for key in options:
        if loader not in _TAKEN_BY[key]:
            raise SourceError(
                f"{_KEYS[key]} is for {', '.join(_TAKEN_BY[key])} files, and {what} is read as {loader}.\n"
                f"  Leave it out (~{_KEYS[key]} if a recipe sets it)."
            )


def _local(path: str, data_files: DataFiles | None) -> Request:
    """The request for a path on this machine."""
    if Path(path).is_dir():
        if not any((Path(path) / name).is_file() for name in SAVED):
            return Request("folder", path, path, data_files and _existing(data_files, path))
        if data_files is not None:
            raise SourceError(f"{path} was saved by save_to_disk and is read whole: leave data_files out.")
        return Request("saved", path, path)
    if _extension(path) == ".py":
        raise SourceError(
            f"{path} is a dataset script, and datasets does not run scripts.\n"
            "  Convert the dataset to files (Parquet, JSON lines) once, and give those files."
        )
    return _files_request([path], data_files)


def _files_request(paths: Sequence[str], data_files: DataFiles | None) -> Request:
    """The request for files of one format, in the given order."""
    if not paths:
        raise SourceError("the source hf needs at least one path, and the list is empty.")
    shown = ", ".join(paths)
    if folder := next((path for path in paths if os.path.isdir(path)), None):
        raise SourceError(f"{folder} is a folder: give it on its own, or name the files in it.")
    files = [file for path in paths for file in _files(path)]
    if data_files is not None:
        raise SourceError(
            f"path = {shown!r} is already a file: leave data_files out.\n"
            "  data_files names files of a folder, of a dataset on the Hub, or of a loader (path = 'text')."
        )
    extensions = {_extension(file) for file in files}
    loaders = {LOADER_OF.get(extension, "") for extension in extensions}
    if len(loaders) > 1 or "" in loaders or len(extensions & {".csv", ".tsv"}) > 1:
        raise SourceError(
            f"files are read by their extension, and {shown!r} has none that datasets can read, or several; "
            f"known extensions: {', '.join(LOADER_OF)}.\n"
            '  To choose the format: path = "text" (or json, csv, parquet, arrow) and data_files = "my.file".'
        )
    options = {"sep": "\t"} if ".tsv" in extensions else {}
    return Request("file", shown, loaders.pop(), _existing(files), options)


def _existing(data_files: DataFiles, folder: str = "") -> DataFiles:
    """The files as patterns, since `datasets` reads names as patterns; a glob stays a glob.

    Otherwise a file name with brackets would be taken for a pattern, and another file would be read.
    """
    if isinstance(data_files, Mapping):
        return {split: _existing(files, folder) for split, files in data_files.items()}  # type: ignore[misc]
    if not isinstance(data_files, str):
        return [str(_existing(file, folder)) for file in data_files]
    if "://" in data_files:
        return data_files
    full = os.path.join(folder, os.path.expanduser(data_files))
    if not glob.has_magic(full):
        _files(full)
    return glob.escape(os.path.abspath(full)) if Path(full).is_file() else data_files


def _files(path: str) -> list[str]:
    """The file, or the files that a glob matches, sorted."""
    if Path(path).is_file():
        return [path]
    if glob.has_magic(path) and not os.path.exists(path):
        files = [match for match in sorted(glob.glob(path, recursive=True)) if Path(match).is_file()]
        if not files:
            raise SourceError(f"no file matches {path!r}.")
        return files
    message = f"no such file or folder: {path}"
    parent = Path(path).parent
    if not parent.is_dir():
        message += f" (there is no folder {parent} either)"
    elif near := difflib.get_close_matches(Path(path).name, [p.name for p in parent.iterdir()], n=1):
        message += f". Did you mean {str(Path(path).with_name(near[0]))!r}?"
    raise SourceError(f'{message}\n  A dataset on the Hugging Face Hub is written path = "owner/name".')


def _extension(path: str) -> str:
    """The extension that gives a file's format, or an empty string: names on the Hub can have dots too."""
    name = Path(path)
    if name.suffix in COMPRESSED:
        name = name.with_suffix("")
    suffix = name.suffix.lower()
    return suffix if suffix in (*LOADER_OF, ".py") else ""
