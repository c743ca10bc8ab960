"""Recording a step as C++ code.

The step's function is run once, on uninitialised memory. Nothing is computed: each kernel, product or copy
that it calls becomes a line of C++, in which each tensor is an address.

    mm(state, weights)              product::multiply<float>((const float*)(p[3] + 0), ..., 32, 128, 512);
    kernel([gates, x, new_state])   kernel_0((const float*)(p[5] + 0), ..., (float*)(p[4] + 0));

An operation that cannot be written as a line is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, fx

from seqkit.engine.compile.inductor import kernel_source
from seqkit.engine.compile.regions import Kernel
from seqkit.engine.compile.unwritable import MOST_COLS, UnwritableError

_NUMBERS: Final = {torch.float32: "float", torch.float64: "double"}
_SAME_SIZE: Final = {1: "uint8_t", 2: "uint16_t", 4: "uint32_t", 8: "uint64_t"}

_SHORT_COPY: Final = 4096
"""Number of elements that are copied in the time that a second thread takes to start."""

_OTHER_CALLS: Final = re.compile(r"\b(torch\.ops|extern_kernels|aten|inductor_ops|_quantized)\.")


class Recording:
    """The lines of a step, and the memory that they refer to.

    Args:
        given: uninitialised tensors in place of the arguments of the step.
        constants: how many of these, from the first on, are the same at every step.

    Attributes:
        memory: the given tensors, then the step's own buffers. `p[i]` is the address of the i-th.
        written: the indices in `memory` of tensors that a line writes.
        kernels: the C++ functions that the lines call.
        once: lines to run once per unroll, which pack the constants.
        lines: the lines of a step.
    """

    def __init__(self, given: Sequence[Tensor], constants: int) -> None:
        self.memory = list(given)
        self.kernels: list[str] = []
        self.once: list[str] = []
        self.lines: list[str] = []
        self.written: set[int] = set()
        self._given, self._constants = len(given), constants
        self._index_of = {_address(tensor): index for index, tensor in enumerate(given)}
        if len(self._index_of) < len(given) or 0 in self._index_of:
            raise UnwritableError("an empty tensor")
        self._packed: dict[tuple[Any, ...], int] = {}
        self._names: dict[str, str] = {}

    def allocate(self, shape: Sequence[int], stride: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Allocate a buffer of the step's own. None is freed, so that no two have the same address."""
        tensor = torch.empty_strided(tuple(shape), tuple(stride), dtype=dtype)
        self._index_of[_address(tensor)] = len(self.memory)
        self.memory.append(tensor)
        return tensor

    def kernel_of(self, part: fx.GraphModule, inputs: Sequence[Tensor]) -> Kernel:
        """A function of a list of tensors that records the kernels of a region."""
        source = kernel_source(part, inputs)
        body = source[source.index("def call(") : source.index("runner = ")]
        if found := _OTHER_CALLS.search(body):
            raise UnwritableError(f"a call of {found.group(1)} in a region")
        module: dict[str, Any] = {"__name__": __name__, "async_compile": self}
        exec(source.replace("async_compile = AsyncCompile()", ""), module)
        module["empty_strided_cpu"] = self.allocate
        call: Kernel = module["call"]
        return call

    def cpp_pybinding(self, types: list[str], source: str) -> Callable[..., None]:
        """Replaces Inductor's compilation of a kernel: the kernel is kept, and calls of it become lines."""
        if source not in self._names:
            name = f"kernel_{len(self._names)}"
            source_of, count = re.subn(r'extern "C"\s+void\s+kernel\(', f"static void {name}(", source)
            if count != 1:
                raise UnwritableError("a kernel with another signature")
            self._names[source] = name
            self.kernels.append(re.sub(r"^#include.*$", "", source_of, flags=re.MULTILINE).strip())
        return partial(self._call, self._names[source], types)

    def wait(self, module: dict[str, Any]) -> None:
        """Replaces Inductor's wait for its compiler."""

    def _call(self, kernel: str, types: list[str], *arguments: Any) -> None:
        places = dict[int, str]()
        # Outputs first: a kernel may read memory that it has written itself.
        for index in sorted(range(len(types)), key=lambda index: types[index].startswith("const ")):
            kind, argument = types[index], arguments[index]
            if not isinstance(argument, Tensor) or not kind.endswith("*"):
                raise UnwritableError(f"a kernel's argument of type {kind}")
            places[index] = self._place(argument, kind, writes=not kind.startswith("const "))
        self.lines.append(f"{kernel}({', '.join(places[index] for index in range(len(types)))});")

    def product(self, left: Tensor, right: Tensor, into: Tensor | None = None) -> Tensor:
        """`left @ right`, for each pair of a batch."""
        if left.ndim == 3:
            pairs, m, n = *left.shape[:2], right.shape[2]
            out = self.allocate((pairs, m, n), (m * n, n, 1), left.dtype) if into is None else into
            for each in zip(left, right, out, strict=True):
                self.product(*each)
            return out
        (m, k), n = left.shape, right.shape[1]
        number = _NUMBERS.get(left.dtype)
        if number is None:
            raise UnwritableError(f"a product of {left.dtype}")
        out = self.allocate((m, n), (n, 1), left.dtype) if into is None else into
        if (k > 1 and left.stride(1) != 1) or (n > 1 and out.stride(1) != 1):
            raise UnwritableError("a product whose rows are not contiguous")
        packed = self._pack(right, number)
        arguments = [
            self._place(left, f"const {number}*"),
            str(left.stride(0)),
            self._place(packed, f"const {number}*"),
            self._place(out, f"{number}*", writes=True),
            *map(str, (out.stride(0), m, k, n)),
        ]
        self.lines.append(f"product::multiply<{number}>({', '.join(arguments)});")
        return out

    def _pack(self, right: Tensor, number: str) -> Tensor:
        """The matrix in panels: a constant is packed once per unroll, any other at each step."""
        (k, n), strides = right.shape, right.stride()
        place = self._place(right, f"const {number}*")
        if (place, k, n, strides) in self._packed:
            return self.memory[self._packed[place, k, n, strides]]
        panels = k * (n + MOST_COLS)
        packed = self.allocate((panels,), (1,), right.dtype)
        to = self._place(packed, f"{number}*", writes=True)
        line = f"product::pack<{number}>({place}, {strides[0]}, {strides[1]}, {k}, {n}, {to});"
        if self._index_of[_address(right)] < self._constants:
            self._packed[place, k, n, strides] = len(self.memory) - 1
            self.once.append(line)
        else:
            self.lines.append(line)
        return packed

    def copy(self, destination: Tensor, value: Tensor) -> None:
        """`destination.copy_(value)`."""
        number = _SAME_SIZE.get(value.dtype.itemsize)
        if destination.dtype != value.dtype or destination.shape != value.shape or number is None:
            raise UnwritableError(f"a copy of {value.dtype} to another type or shape")
        is_long = value.numel() > _SHORT_COPY
        loops, to, at = "#pragma omp parallel for\n      " if is_long else "", "", ""
        axes, block = value.ndim, 1  # one `memcpy` for the axes that are contiguous in both
        while axes > is_long and value.stride(axes - 1) == destination.stride(axes - 1) == block:
            axes -= 1
            block *= value.shape[axes]
        for axis, length in enumerate(value.shape[:axes]):
            i = f"i{axis}"
            loops += f"for (int64_t {i} = 0; {i} < {length}; {i}++) "
            to += f" + {i} * {destination.stride(axis)}"
            at += f" + {i} * {value.stride(axis)}"
        source = self._place(value, f"const {number}*")
        target = self._place(destination, f"{number}*", writes=True)
        self.lines.append(f"{loops}std::memcpy({target}{to}, {source}{at}, {block} * sizeof({number}));")

    def _place(self, tensor: Tensor, kind: str, *, writes: bool = False) -> str:
        """The tensor's address, as a C++ expression."""
        index = self._index_of.get(_address(tensor))
        if index is None:
            raise UnwritableError("memory that does not belong to the step")
        if writes:
            self.written.add(index)
        elif index >= self._given and index not in self.written:
            raise UnwritableError("memory that no line has written to")
        return f"({kind})(p[{index}] + {tensor.data_ptr() - _address(tensor)})"


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
