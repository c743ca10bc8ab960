"""The interface to Inductor, PyTorch's compiler: kernels, their source, C++ libraries."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from torch import Tensor, fx
from torch._guards import TracingContext, tracing
from torch._inductor import config
from torch._inductor.compile_fx import compile_fx_inner
from torch._inductor.cpp_builder import CppBuilder, CppTorchOptions, get_cpp_compiler
from torch._inductor.cpu_vec_isa import pick_vec_isa
from torch._inductor.debug import DebugContext
from torch._inductor.decomposition import select_decomp_table
from torch._inductor.exc import InvalidCxxCompiler
from torch._inductor.graph import GraphLowering
from torch._inductor.virtualized import V
from torch.fx.experimental.proxy_tensor import make_fx

from seqkit.engine.compile.regions import Kernel
from seqkit.engine.compile.tanh import fast_tanh
from seqkit.engine.trace.graphs import aten, has_vectors
from seqkit.errors import CompilerError

_SETTINGS: Final = {
    "compile_threads": 1,  # two or three small files: a pool of processes would take longer to start
    "size_asserts": False,  # the executor allocates memory with the shapes of the graph
    "nan_asserts": False,
    "fallback_random": True,
    "fx_graph_cache": False,
    "cpp.vec_isa_ok": True,  # else it compiles a program for each kind of vectors, to try it
}


def compiled_kernel(part: fx.GraphModule, inputs: Sequence[Tensor]) -> Kernel:
    """A function of a list of tensors.

    Raises:
        CompilerError: there is no C++ compiler.
    """
    with _lowering(inputs):
        compiled = compile_fx_inner(_decomposed(part, inputs), list(inputs))
    # Skip the bookkeeping around the generated code, which takes longer than a small kernel.
    inner = getattr(compiled, "current_callable", None) or compiled

    def kernel(arguments: list[Tensor]) -> Sequence[Tensor]:
        result: Sequence[Tensor] = inner(arguments)
        return result

    return inner if hasattr(inner, "__name__") else kernel


def kernel_source(part: fx.GraphModule, inputs: Sequence[Tensor]) -> str:
    """The Python module that Inductor would run for the part: C++ kernels as strings, and calls of them.

    Raises:
        CompilerError: there is no C++ compiler.
    """
    with _lowering(inputs):
        graph = GraphLowering(_decomposed(part, inputs), example_inputs=list(inputs), is_inference=True)
        graph.sizevars._simplify_loops = _keeping_rows_apart(graph.sizevars._simplify_loops)
        with V.set_graph_handler(graph), V.set_extern_kernel_nodes([]), V.set_debug_handler(DebugContext()):
            graph.run(*inputs)
            code: Any = graph.codegen()[0]
    source: str = code.value
    return source


def start_building(source: str) -> Callable[[], bytes]:
    """Start the C++ compiler, for this processor; another thread waits for it.

    Returns:
        A function that waits for the library; it raises CompilerError if the compiler fails.
    """
    folder = TemporaryDirectory(prefix="seqkit-")
    path = Path(folder.name) / "loop.cpp"
    path.write_text(source, "utf-8")
    with config.patch(_SETTINGS), _own_files():
        options = CppTorchOptions(vec_isa=pick_vec_isa(), include_pytorch=False, shared=True)
        builder = CppBuilder(name="loop", sources=str(path), output_dir=folder.name, BuildOption=options)
        line = shlex.split(builder.get_command_line())

    def build() -> bytes:
        with folder:
            done = subprocess.run([*line, "-w"], capture_output=True, text=True, check=False)
            made = Path(builder.get_target_file_path())
            if done.returncode or not made.exists():
                said = done.stderr + done.stdout
                first = next((each for each in said.splitlines() if "error" in each), said[:200].strip())
                raise CompilerError(
                    f"the C++ compiler {line[0]} has made no library: {first or 'it says nothing'}\n"
                    "  Set CXX to another one, or use engine='fused', which needs none."
                )
            return made.read_bytes()

    return _COMPILERS.submit(build).result


_COMPILERS: Final = ThreadPoolExecutor(2, "seqkit-compiler")
_FILES: Final = TemporaryDirectory(prefix="seqkit-", ignore_cleanup_errors=True)


@contextmanager
def _own_files() -> Iterator[None]:
    """In the block, Inductor keeps its files in a folder of this process.

    It would run what it finds in its usual folder, which it does not verify.
    """
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    os.environ[name] = _FILES.name
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def _lowering(inputs: Sequence[Tensor]) -> Iterator[None]:
    mode = inputs[0].fake_mode  # type: ignore[attr-defined]  # they are fake tensors
    with (
        config.patch(_SETTINGS),
        _own_files(),
        torch.no_grad(),
        tracing(TracingContext(mode)),
        V.set_fake_mode(mode),
    ):
        try:
            if inputs[0].device.type == "cpu":
                get_cpp_compiler()
            yield
        except InvalidCxxCompiler as error:
            raise CompilerError(
                "engine 'compiled' needs a C++ compiler, and none was found.\n"
                "  Install g++ or clang++, or set CXX to one (without options); engine='fused' needs none."
            ) from error


def _decomposed(part: fx.GraphModule, inputs: Sequence[Tensor]) -> fx.GraphModule:
    """The part, decomposed into operations that Inductor knows."""
    table: dict[Any, Callable[..., Any]] = dict(select_decomp_table())
    table |= {aten.tanh.default: fast_tanh, aten.bmm.default: _products_with_vectors}
    with inputs[0].fake_mode:  # type: ignore[attr-defined]  # they are fake tensors
        return make_fx(part, decomposition_table=table)(*inputs)


def _products_with_vectors(left: Tensor, right: Tensor) -> Any:
    """A batched product with vectors, as elementwise products and a sum, so that it fits into a kernel."""
    if not has_vectors(left, right):
        return NotImplemented
    if left.shape[2] == 1:
        return left * right
    if left.shape[1] == 1:
        return (left.transpose(1, 2) * right).sum(1, keepdim=True)
    return (left * right.transpose(1, 2)).sum(2, keepdim=True)


def _keeping_rows_apart(simplify: Callable[..., Any]) -> Callable[..., Any]:
    """Inductor's merging of loops, except for the innermost loop.

    Otherwise a contiguous tensor is traversed in one loop, and a slice of the columns of a wider tensor in
    two. Such loops cannot be fused, and a value that both need would be written twice.
    """

    def simplified(indices: Sequence[Any], sizes: Sequence[Any], formulas: Sequence[Any]) -> Any:
        return simplify(indices, sizes, [*formulas, *indices[-1:]])

    return simplified
