"""A body whose loop is one C++ function.

    for (t = start; t != stop; t += by)
      p[i] = base[i] + t * stride[i]        row t of every tensor with a row per step
      kernel_0(p[2], p[0], ...)             the lines of a step
      product::multiply(p[0], ...)

The kernels are Inductor's, and the product is that of `product.h`. Less than a microsecond passes between
two of them; with Python, and a library that chooses its algorithm at every call, it is thirty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import CDLL, POINTER, c_char_p, c_int64, c_void_p
from functools import partial
from importlib import resources
from typing import Any, Final

import torch
from torch import Tensor, fx

from seqkit.engine.compile.inductor import load_library
from seqkit.engine.compile.recording import MOST_COLS, Recording, UnwritableError
from seqkit.engine.compile.regions import Kernel, RegionCompiler
from seqkit.engine.run.body import Body, Draft, Loop, Run, draft_body
from seqkit.engine.trace.graphs import Stage, aten, value_of

_FILE: Final = """
#include <torch/csrc/inductor/cpp_prefix.h>
#include <cstring>
#include <string>
%(product)s
%(kernels)s

extern "C" void add_tall(const float* left, int64_t left_stride, const float* right, int64_t right_stride,
                         float* out, int64_t out_stride, int64_t k, int64_t m, int64_t n) {
  product::add_tall(left, left_stride, right, right_stride, out, out_stride, k, m, n);
}

extern "C" void prepare(char* const* p) {
  %(once)s
}

extern "C" const char* run(int64_t start, int64_t stop, int64_t by, char* const* base,
                           const int64_t* stride) {
  static thread_local std::string reason;
  try {
    for (int64_t t = start; t != stop; t += by) {
      char* p[%(count)d];
      for (int64_t i = 0; i < %(count)d; i++) p[i] = base[i] + t * stride[i];
      %(lines)s
    }
  } catch (const std::exception& error) {
    reason = error.what();
    return reason.c_str();
  }
  return nullptr;
}
"""


def native_body(stage: Stage, constants: int) -> Body:
    """The body of a stage; see `draft_body`.

    Raises:
        UnwritableError: a step of it cannot be written as C++.
        SplitError: there is no C++ compiler.
    """
    draft = draft_body(stage, constants, packing=False)
    placeholders = draft.graph.find_nodes(op="placeholder")
    values = [value_of(node) for node in placeholders]
    if any(value.device.type != "cpu" for value in values):
        raise UnwritableError("a tensor that is not on the CPU")
    given = [torch.empty_strided(value.shape, value.stride(), dtype=value.dtype) for value in values]
    recording = Recording(given, constants)
    _Lines(stage, draft, recording).compile()(*given)
    if not {placeholders.index(destination) for _, destination in draft.writes} <= recording.written:
        raise UnwritableError("a result that no line writes")
    source = _FILE % {
        "product": (resources.files("seqkit.engine.compile") / "product.h").read_text(),
        "kernels": "\n\n".join(recording.kernels),
        "once": "\n  ".join(recording.once),
        "lines": "\n      ".join(recording.lines),
        "count": len(recording.memory),
    }
    sizes = [tensor.untyped_storage().nbytes() for tensor in recording.memory[len(given) :]]
    return NativeBody(draft, load_library(source), len(given) - constants, sizes)


class _Lines(RegionCompiler):
    """Builds a function that records C++ lines instead of computing."""

    def __init__(self, stage: Stage, draft: Draft, recording: Recording) -> None:
        super().__init__(stage, draft)
        self._recording = recording

    def compile_region(self, part: fx.GraphModule, inputs: Sequence[Tensor]) -> Kernel:
        """Record the region's kernels."""
        return self._recording.kernel_of(part, inputs)

    def call_product(
        self, target: Callable[..., Any], arguments: tuple[Any, ...], into: fx.Node | None
    ) -> fx.Node:
        """Record the product."""
        if target not in (aten.mm.default, aten.bmm.default):
            raise UnwritableError(f"an unsupported product, {target}")
        return self.graph.call_function(self._recording.product, (*arguments, into))

    def call_copy(self, destination: fx.Node, value: fx.Node) -> None:
        """Record the copy."""
        self.graph.call_function(self._recording.copy, (destination, value))


class NativeBody(Body):
    """The body of a compiled loop.

    Args:
        draft: the graph that it computes.
        library: the compiled loop.
        rows: number of tensors that have a row for each step.
        sizes: bytes of each buffer that a step needs for itself.
    """

    def __init__(self, draft: Draft, library: CDLL, rows: int, sizes: Sequence[int]) -> None:
        self._draft, self._rows, self._sizes = draft, rows, sizes
        self._prepare, self._run = library.prepare, library.run
        self._prepare.argtypes, self._prepare.restype = [POINTER(c_void_p)], None
        self._run.argtypes = [c_int64, c_int64, c_int64, POINTER(c_void_p), POINTER(c_int64)]
        self._run.restype = c_char_p
        self._add_tall = library.add_tall
        places: list[Any] = [c_void_p, c_int64] * 3
        self._add_tall.argtypes = [*places, c_int64, c_int64, c_int64]
        self._add_tall.restype = None

    def bind(self, constants: Sequence[Tensor]) -> Loop:
        """See `Body`."""
        fixed = self._draft.fixed(constants)
        own = [torch.empty(size, dtype=torch.uint8) for size in self._sizes]
        before, after = [each.data_ptr() for each in fixed], [each.data_ptr() for each in own]
        count = len(before) + self._rows + len(after)
        self._prepare((c_void_p * count)(*before, *[0] * self._rows, *after))

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
        self._add_tall(*places, k, m, n)
        return total

    def _go(self, bases: Any, strides: Any, alive: Sequence[Tensor], steps: range) -> None:
        """`alive` keeps the memory behind the addresses from being freed."""
        reason = self._run(steps.start, steps.stop, steps.step, bases, strides)
        if reason is not None:
            raise RuntimeError(reason.decode())
