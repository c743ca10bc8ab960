"""Loop bodies whose regions are compiled kernels.

The whole loop is compiled to one C++ function if possible. If not, because of another kind of product or
another dtype, Python calls kernel after kernel.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, fx
from torch.utils import _pytree as pytree

from seqkit.engine.compile.native import native_body
from seqkit.engine.compile.regions import Kernel, RegionCompiler
from seqkit.engine.compile.unwritable import UnwritableError
from seqkit.engine.run.body import Body, PythonBody, draft_body
from seqkit.engine.trace.graphs import Stage
from seqkit.engine.trace.lines import line_of
from seqkit.engine.trace.refusal import RefusedError
from seqkit.errors import CompilerError

logger = logging.getLogger(__name__)


def compile_body(stage: Stage, constants: int) -> Body:
    """The body of a stage, with its regions compiled; see `draft_body`.

    Raises:
        CompilerError: there is no C++ compiler.
        RefusedError: Inductor has no kernels for complex numbers.
    """
    for node in stage.run.graph.nodes:
        values = [value for value in pytree.tree_leaves(node.meta.get("val")) if isinstance(value, Tensor)]
        if any(value.is_complex() for value in values):
            reason = "it computes with complex numbers, which have no compiled kernels (use engine 'fused')"
            raise RefusedError(reason, line_of(node))
    try:
        return native_body(stage, constants)
    except UnwritableError as reason:
        logger.debug("the loop cannot be compiled to one function: %s", reason)
    except CompilerError:
        raise
    except Exception as error:  # another release of Inductor; its kernels can still be called one by one
        first_line = next(iter(str(error).splitlines()), "")
        logger.warning(
            "the loop cannot be compiled to one function, so Python calls its kernels: %s: %s",
            type(error).__name__,
            first_line,
        )
    draft = draft_body(stage, constants)
    return PythonBody(draft, _KernelCalls(stage, draft).compile())


class _KernelCalls(RegionCompiler):
    """Builds a Python function that calls kernels, and PyTorch's matrix products between them."""

    def compile_region(self, part: fx.GraphModule, inputs: Sequence[Tensor]) -> Kernel:
        """The compiled kernel."""
        from seqkit.engine.compile.inductor import compiled_kernel

        return compiled_kernel(part, inputs)

    def call_product(
        self, target: Callable[..., Any], arguments: tuple[Any, ...], into: fx.Node | None
    ) -> fx.Node:
        """Call the operation itself, and copy its result."""
        made = self.graph.call_function(target, arguments)
        if into is None:
            return made
        self.call_copy(into, made)
        return into

    def call_copy(self, destination: fx.Node, value: fx.Node) -> None:
        """`destination.copy_(value)`."""
        self.graph.call_method("copy_", (destination, value))
