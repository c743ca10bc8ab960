"""The line of a step from which an error, an operation or a write comes.

A place is written on a separate line, indented: `file.py, line 12: h = h - h.mean(0)`.
"""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import torch
from torch import fx
from torch.fx import traceback as notes
from torch.overrides import TorchFunctionMode

ENGINE: Final = str(Path(__file__).parent.parent) + os.sep
TORCH: Final = str(Path(torch.__file__).parent) + os.sep
PYTHON: Final = sysconfig.get_path("stdlib") + os.sep


def is_foreign(filename: str) -> bool:
    """Whether a frame belongs to Python, to PyTorch or to this engine, not to a step."""
    if filename.startswith(PYTHON) and "-packages" not in filename:
        return True
    return filename.startswith((TORCH, ENGINE, "<frozen", "<eval_with_key>", "<string>"))


def place(filename: str, number: int) -> str:
    """A line of a file, in the form in which it follows a message."""
    text = linecache.getline(filename, number).strip()
    return f"\n  {Path(filename).name}, line {number}" + (f": {text}" if text else "")


def step_line(error: BaseException, *, deepest: bool = True) -> str:
    """The innermost line of a step in the traceback of an error; empty if there is none.

    Args:
        error: the error, with its traceback.
        deepest: only if the engine called nothing of its own below that line.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if deepest and frame.filename.startswith(ENGINE):
            return ""
        if not is_foreign(frame.filename):
            return place(frame.filename, frame.lineno or 0)
    return ""


def definition_of(step: Callable[..., Any]) -> str:
    """The line where a step is defined."""
    code = getattr(step, "__code__", None)
    return "" if code is None else place(code.co_filename, code.co_firstlineno)


def line_of(node: fx.Node) -> str:
    """The line of the step that a node of its graph comes from; empty if unknown."""
    return str(node.meta.get("stack_trace") or "")


class NotedLines(TorchFunctionMode):
    """Records, in every node that is traced inside, the line of the step that called its operation."""

    def __enter__(self) -> NotedLines:
        self._keeping = notes.preserve_node_meta()
        self._keeping.__enter__()
        super().__enter__()  # type: ignore[no-untyped-call]  # PyTorch has not typed it
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]  # likewise
        self._keeping.__exit__(*error)

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        notes.current_meta["stack_trace"] = calling_line()
        return function(*args, **(kwargs or {}))


def calling_line() -> str:
    """The innermost line of a step on the call stack."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_foreign(frame.f_code.co_filename):
        frame = frame.f_back
    return "" if frame is None else place(frame.f_code.co_filename, frame.f_lineno)


def line_that_changes(run: Callable[[], object], look: Callable[[], object]) -> str:
    """The line of a step after which `look()` returns another value; empty if there is none.

    The step is run under Python's own line-by-line tracing. This is slow, and is for refused steps only.
    """
    before, found = look(), ""
    last: dict[FrameType, int] = {}

    def see(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal found
        if is_foreign(frame.f_code.co_filename):
            return None
        if not found and frame in last and look() != before:
            found = place(frame.f_code.co_filename, last[frame])
        last[frame] = frame.f_lineno
        return see

    with _traced_by(see):
        run()
    return found


@contextmanager
def _traced_by(function: Any) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(function)
    try:
        yield
    finally:
        sys.settrace(before)
