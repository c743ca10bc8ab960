"""A body whose loop is one C++ function: that of `writing.py`, compiled, or found on disk.

Less than a microsecond passes between two lines of it; with Python, and a library that chooses its algorithm
at every call, it is thirty.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from ctypes import CDLL, POINTER, c_char_p, c_int64, c_void_p
from functools import cache, cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from seqkit.engine.compile import store
from seqkit.engine.compile.describing import IndescribableError
from seqkit.engine.compile.key import key_of
from seqkit.engine.compile.unwritable import MOST_COLS, UnwritableError
from seqkit.engine.run.body import Body, Draft, Loop, Run, draft_body
from seqkit.engine.trace.functional import TRACING
from seqkit.engine.trace.graphs import Stage, value_of
from seqkit.errors import CompilerError

logger = logging.getLogger(__name__)


def native_body(stage: Stage, constants: int) -> Body:
    """The body of a stage; see `draft_body`.

    Raises:
        UnwritableError: a step of it cannot be written as C++.
        CompilerError: no C++ compiler is found.
    """
    draft = draft_body(stage, constants, packing=False)
    placeholders = draft.graph.find_nodes(op="placeholder")
    if any(value_of(node).device.type != "cpu" for node in placeholders):
        raise UnwritableError("a tensor that is not on the CPU")
    rows = len(placeholders) - constants
    try:
        key = key_of(stage, constants)
    except IndescribableError as error:
        logger.debug("a compiled loop is not kept: it has %s", error)
        key = None
    found = None if key is None else store.find(key)
    if found is None:
        return _compiled(stage, constants, draft, rows, key)
    values, library = found
    if "unwritable" in values:
        raise UnwritableError(values["unwritable"])
    return NativeBody(draft, partial(_load, library), rows, values["sizes"])


def _compiled(stage: Stage, constants: int, draft: Draft, rows: int, key: str | None) -> Body:
    """The body; while the compiler works on it, the other loop of the step is written."""
    _say_once()
    from seqkit.engine.compile.inductor import start_building  # Inductor takes seconds to import
    from seqkit.engine.compile.writing import write_loop

    try:
        source, sizes = write_loop(stage, constants, draft)
    except UnwritableError as error:
        if key is not None:
            store.keep(key, {"unwritable": str(error)}, b"")
        raise
    wait = start_building(source)

    def load() -> CDLL:
        library = wait()
        loaded = _load(library)
        if key is not None:
            store.keep(key, {"sizes": sizes}, library)
        return loaded

    return NativeBody(draft, load, rows, sizes)


@cache
def _say_once() -> None:
    logger.info("engine 'compiled': the first steps wait for the compiler; what it makes is kept on disk")


def _load(library: bytes) -> CDLL:
    """The functions of a library; from a file that nobody else can have changed.

    Raises:
        CompilerError: it cannot be loaded.
    """
    try:
        with TemporaryDirectory(prefix="seqkit-") as folder:
            path = Path(folder) / "loop.so"
            path.write_bytes(library)
            return CDLL(str(path))
    except OSError as error:
        raise CompilerError(
            f"a compiled step cannot be loaded: {error}.\n"
            "  If programs may not run in the folder of temporary files (noexec), set TMPDIR to another one; "
            "or use engine='fused'."
        ) from error


class NativeBody(Body):
    """The body of a compiled loop.

    Args:
        draft: the graph that it computes.
        load: returns the compiled loop; called when it is first needed.
        rows: number of tensors that have a row for each step.
        sizes: bytes of each buffer that a step needs for itself.
    """

    def __init__(self, draft: Draft, load: Callable[[], CDLL], rows: int, sizes: Sequence[int]) -> None:
        self._draft, self._load, self._rows, self._sizes = draft, load, rows, sizes

    @cached_property
    def _library(self) -> CDLL:
        with TRACING:
            library = self._load()
        library.prepare.argtypes, library.prepare.restype = [POINTER(c_void_p)], None
        library.run.argtypes = [c_int64, c_int64, c_int64, POINTER(c_void_p), POINTER(c_int64)]
        library.run.restype = c_char_p
        places: list[Any] = [c_void_p, c_int64] * 3
        library.add_tall.argtypes = [*places, c_int64, c_int64, c_int64]
        library.add_tall.restype = None
        return library

    def bind(self, constants: Sequence[Tensor]) -> Loop:
        """See `Body`."""
        fixed = self._draft.fixed(constants)
        own = [torch.empty(size, dtype=torch.uint8) for size in self._sizes]
        before, after = [each.data_ptr() for each in fixed], [each.data_ptr() for each in own]
        count = len(before) + self._rows + len(after)
        self._library.prepare((c_void_p * count)(*before, *[0] * self._rows, *after))

        def loop(reads: Sequence[Tensor], written: Sequence[Tensor]) -> Run:
            columns = self._draft.columns(reads, written)
            bases = (c_void_p * count)(*before, *(each.data_ptr() for each in columns), *after)
            bytes_a_row = [each.stride(0) * each.element_size() for each in columns]
            strides = (c_int64 * count)(*[0] * len(before), *bytes_a_row, *[0] * len(after))
            return partial(self._go, bases, strides, [*fixed, *own, *columns])

        return loop

    def tall_product(self, left: Tensor, right: Tensor, total: Tensor | None = None) -> Tensor:
        """See `Body`."""
        (k, m), n = left.shape, right.shape[1]
        width = n + -n % MOST_COLS  # row length of the total: whole panels are written
        is_tight = total is not None and total.stride(0) < width
        if is_tight or any(each.dtype != torch.float32 or each.stride(1) != 1 for each in (left, right)):
            return super().tall_product(left, right, total)
        if total is None:
            total = left.new_zeros(m, width)[:, :n]
        places = [argument for each in (left, right, total) for argument in (each.data_ptr(), each.stride(0))]
        self._library.add_tall(*places, k, m, n)
        return total

    def _go(self, bases: Any, strides: Any, alive: Sequence[Tensor], steps: range) -> None:
        """`alive` keeps the memory behind the addresses from being freed."""
        reason = self._library.run(steps.start, steps.stop, steps.step, bases, strides)
        if reason is not None:
            raise RuntimeError(reason.decode())
