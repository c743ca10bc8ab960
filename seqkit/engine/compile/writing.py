"""The loop of a stage as one C++ file.

    for (t = start; t != stop; t += by)
      p[i] = base[i] + t * stride[i]        row t of every tensor with a row per step
      kernel_0(p[2], p[0], ...)             the lines of a step
      product::multiply(p[0], ...)

The kernels are Inductor's, and the product is that of `product.h`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, Final

import torch
from torch import Tensor, fx

from seqkit.engine.compile.recording import Recording
from seqkit.engine.compile.regions import Kernel, RegionCompiler
from seqkit.engine.compile.unwritable import UnwritableError
from seqkit.engine.run.body import Draft
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


def write_loop(stage: Stage, constants: int, draft: Draft) -> tuple[str, list[int]]:
    """The C++ file for a draft of a stage, and the bytes of each buffer that a step needs for itself.

    Raises:
        UnwritableError: a step of it cannot be written as C++.
        CompilerError: no C++ compiler is found.
    """
    placeholders = draft.graph.find_nodes(op="placeholder")
    values = [value_of(node) for node in placeholders]
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
    return source, [tensor.untyped_storage().nbytes() for tensor in recording.memory[len(given) :]]


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
