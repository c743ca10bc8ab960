"""Call `datasets`: redirect its output, and turn its errors into SourceError with a remedy."""

from __future__ import annotations

import codecs
import errno
import glob
import logging
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path

from seqkit.errors import SeqkitError, SourceError
from seqkit.sources.contents import LOOKED_AT, guess_encoding, say
from seqkit.sources.hub_request import LOADER_OF, Request

logger = logging.getLogger(__name__)

LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@contextmanager
def calling_datasets(request: Request) -> Iterator[None]:
    """Context for every call of `datasets`.

    Standard output stays clean, progress bars appear only on terminals, warnings go to seqkit's log.

    Raises:
        SourceError: for any error that `datasets` raises.
    """
    with ExitStack() as stack:
        _quiet(stack, request)
        try:
            yield
        except SeqkitError:
            raise
        except Exception as error:  # a large library raises errors of many classes
            raise explain(error, request) from error


def explain(error: Exception, request: Request) -> SourceError:
    """Explain an error to the user: which dataset it concerns, what is wrong and what to do."""
    chain = _chain(error)
    message = (
        _of_the_hub(chain, request)
        or _of_a_script(chain, request)
        or _of_the_configuration(error, request)
        or _of_the_files(chain, request)
        or f"{request.what} cannot be read: {type(_cause(chain)).__name__}: {_first_line(_cause(chain))}"
    )
    return SourceError(message)


def _of_the_hub(chain: list[BaseException], request: Request) -> str | None:
    import datasets
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub import errors as hub

    path = request.path
    text = " ".join(str(error) for error in chain)

    def raised(*classes: type[BaseException]) -> bool:
        return any(isinstance(error, classes) for error in chain)

    if raised(hub.GatedRepoError) or (raised(DatasetNotFoundError) and "gated" in text):
        return (
            f"{request.what} is gated: its owner has to grant you access.\n"
            f"  Request access at https://huggingface.co/datasets/{path}, then {LOG_IN}."
        )
    if raised(hub.RevisionNotFoundError) or (raised(DatasetNotFoundError) and "Revision" in text):
        return (
            f"{request.what} has no revision {request.revision!r}.\n"
            f"  A revision is a branch, a tag or a commit: https://huggingface.co/datasets/{path}/commits/main"
        )
    if raised(hub.RepositoryNotFoundError, DatasetNotFoundError):
        return (
            f"the Hugging Face Hub has no dataset {path!r}, or it is private and you have no access; "
            f"there is no file or folder {path} either.\n"
            f"  Look for its name at https://huggingface.co/datasets. If it is private, {LOG_IN}."
        )
    if request.kind == "hub" and raised(
        ConnectionError, hub.OfflineModeIsEnabled, hub.LocalEntryNotFoundError
    ):
        if datasets.config.HF_HUB_OFFLINE:
            return (
                f"{request.what} is not on this machine, and the Hugging Face Hub is not contacted: "
                "HF_HUB_OFFLINE (or HF_DATASETS_OFFLINE) is set.\n"
                f'  Unset it to download the dataset. A local folder is written path = "./{path}".'
            )
        return (
            f"{request.what} is not on this machine, and the Hugging Face Hub cannot be reached: "
            f"{_first_line(chain[0])}\n"
            f'  Check the network and the proxy. A local folder is written path = "./{path}".'
        )
    return None


def _of_a_script(chain: list[BaseException], request: Request) -> str | None:
    if not any("scripts are no longer supported" in str(error) for error in chain):
        return None
    copy = (
        'The Hub may have Parquet files of it: revision = "refs/convert/parquet". Otherwise convert'
        if request.kind == "hub"
        else "Convert"
    )
    return (
        f"{request.what} is built by a script, and datasets does not run scripts: {_first_line(chain[0])}.\n"
        f"  {copy} it to files (Parquet, JSON lines) once, and give those files."
    )


def _of_the_configuration(error: Exception, request: Request) -> str | None:
    """The message for a dataset with configurations, if the named one is unknown or none was named."""
    if not isinstance(error, ValueError) or request.kind not in ("hub", "folder"):
        return None
    import datasets

    try:
        names = datasets.get_dataset_config_names(request.loader, revision=request.revision)
    except Exception:  # then the configuration is not the cause
        return None
    if request.name in names or (request.name is None and len(names) < 2):
        return None
    said = "several configurations" if request.name is None else f"no configuration {request.name!r}"
    return (
        f"{request.what} has {said}; available: {', '.join(names)}.\n"
        f"  Choose one: name = {names[0]!r} in [source], or source.name={names[0]}"
        + ("; or leave it out: source.name=none." if len(names) == 1 else ".")
    )


def _of_the_files(chain: list[BaseException], request: Request) -> str | None:
    from datasets.arrow_writer import SchemaInferenceError
    from datasets.table import CastError

    file = _file_being_read(chain)
    for error in chain:
        if isinstance(error, CastError) or "Schema at index" in str(error):
            return columns_differ(request, file)
        if isinstance(error, StopIteration | SchemaInferenceError):
            return f"{request.what} is empty: it has no rows."
        if isinstance(error, OSError) and (error.errno in NO_ROOM or _is_in_the_cache(error.filename)):
            return (
                f"datasets cannot store {request.what}: {error}.\n"
                "  Set HF_HOME to a writable folder with enough space; streaming = true reads without a copy."
            )
        if isinstance(error, PermissionError):
            return f"you have no permission to read {error.filename or request.what}: {error.strerror}."
    if file:
        return _of_a_file(file, _first_line(_cause(chain)))
    if any(isinstance(error, FileNotFoundError) for error in chain):
        pattern = "; it reads [, ], * and ? in the name of a folder as a pattern"
        return (
            f"there are no data files for {request.what}: {_first_line(chain[0])}.\n"
            f"  datasets reads {', '.join(LOADER_OF)}{pattern if glob.has_magic(request.path) else ''}."
        )
    return None


def _of_a_file(file: str, said: str) -> str:
    """The message for a file that a loader was reading; its encoding is checked here as a likely cause."""
    try:
        with Path(file).open("rb") as stream:
            start = stream.read(LOOKED_AT)
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except OSError:
        pass
    except UnicodeDecodeError:
        if likely := guess_encoding(start):
            return f"{file} is not UTF-8; it looks like {likely}.\n  {say(likely, shlex.quote(file))}"
    return (
        f"{file} cannot be read: {said}.\n"
        "  It is damaged, or not in the format or encoding that its name implies (UTF-8; a .jsonl file "
        "has one JSON object per line)."
    )


def columns_differ(request: Request, file: str | None = None) -> str:
    """The message for files with different columns; `file` is one that differs."""
    which = f": {file} has different ones" if file else ""
    return (
        f"the files of {request.what} do not all have the same columns{which}.\n"
        "  List the files that belong together: data_files = [...] in [source]."
    )


def _is_in_the_cache(file: object) -> bool:
    import datasets

    return isinstance(file, str) and file.startswith(str(datasets.config.HF_DATASETS_CACHE))


def _file_being_read(chain: list[BaseException]) -> str | None:
    """The file that a loader of `datasets` was reading; only its local variables name it."""
    for error in reversed(chain):
        for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
            file = frame.f_locals.get("file")
            if frame.f_globals.get("__name__", "").startswith("datasets.packaged_modules.") and file:
                return str(file).rpartition("::")[2]
    return None


def _chain(error: BaseException) -> list[BaseException]:
    """The error, followed by its causes."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain


def _cause(chain: list[BaseException]) -> BaseException:
    """The first error that is more specific than DatasetGenerationError."""
    from datasets.exceptions import DatasetGenerationError

    return next((error for error in chain if not isinstance(error, DatasetGenerationError)), chain[0])


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    said = lines[0].partition(" with any supported extension")[0] if lines else type(error).__name__
    return said.rstrip(".")


class _ToOurLog(logging.Handler):
    """Logs each warning once: the Hub is tried six times before it counts as unreachable.

    An error that `datasets` logs is also raised, so it is not logged here; an error that `huggingface_hub`
    logs may be the only report.
    """

    def __init__(self) -> None:
        super().__init__()
        self._logged: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        library = record.name.partition(".")[0]
        message = f"{library}: {record.getMessage()}"
        is_raised_too = library == "datasets" and record.levelno > logging.WARNING
        if record.levelno >= logging.WARNING and not is_raised_too and message not in self._logged:
            self._logged.add(message)
            logger.warning("%s", message)


def _quiet(stack: ExitStack, request: Request) -> None:
    import datasets
    from huggingface_hub import constants
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    stack.enter_context(redirect_stdout(sys.stderr))
    for name in ("datasets", "huggingface_hub"):
        log = logging.getLogger(name)
        stack.callback(log.handlers.__setitem__, slice(None), log.handlers[:])
        log.handlers[:] = [_ToOurLog()]
        stack.callback(setattr, log, "propagate", log.propagate)
        log.propagate = False
    # Files on this machine are not counted as downloads.
    counted = datasets.config.HF_UPDATE_DOWNLOAD_COUNTS
    stack.callback(setattr, datasets.config, "HF_UPDATE_DOWNLOAD_COUNTS", counted)
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = counted and request.kind == "hub"
    if sys.stderr.isatty():
        return
    if (
        datasets.config.HF_DATASETS_DISABLE_PROGRESS_BARS is None
        and not datasets.are_progress_bars_disabled()
    ):
        datasets.disable_progress_bars()
        stack.callback(datasets.enable_progress_bars)
    if constants.HF_HUB_DISABLE_PROGRESS_BARS is None and not are_progress_bars_disabled():
        disable_progress_bars()
        stack.callback(enable_progress_bars)
