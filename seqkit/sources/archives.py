"""Read the only data file of a zip archive."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from seqkit.errors import SourceError

NAME = ".zip"
"""Extension of files that are read as archives."""
SHOWN = 5


def read_only_csv(file: Path) -> bytes:
    """The bytes of the only CSV file in a zip archive, or of its only file.

    Raises:
        SourceError: the archive cannot be read, or has several such files or none.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.read(_only_csv(file, archive))
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise SourceError(f"{file} ends in {NAME}, but it is not a complete zip file: {error}.") from error
    except (RuntimeError, NotImplementedError) as error:  # a password, or a compression that Python lacks
        raise SourceError(f"{file} cannot be read: {error}.\n  Unpack it, and give the CSV file.") from error


def _only_csv(file: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if _is_data(member)]
    chosen = [member for member in members if member.filename.lower().endswith(".csv")] or members
    if not chosen:
        raise SourceError(f"{file} has no file in it.\n  Give an archive with one CSV file, or the CSV file.")
    if len(chosen) > 1:
        names = ", ".join(member.filename for member in chosen[:SHOWN])
        more = f" and {len(chosen) - SHOWN:,} more" if len(chosen) > SHOWN else ""
        raise SourceError(
            f"{file} has {len(chosen):,} files in it: {names}{more}.\n  Unpack it, and give one of them."
        )
    return chosen[0]


def _is_data(member: zipfile.ZipInfo) -> bool:
    """Whether the member is a file of the user's; macOS adds files to archives."""
    name = member.filename
    return not member.is_dir() and not name.startswith("__MACOSX/") and not Path(name).name.startswith(".")
