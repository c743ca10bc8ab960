"""A stage as text, without a name or a number of the process that made it.

    [0, ["in", {"val": {"shape": [3, 8], "stride": [8, 1], "kind": ["float32", "cpu"]}}],
        ["call", "aten.tanh.default", {"tuple": [{"node": 0}]}, {"dict": {}}, {"val": ...}],
        ["out", [1]]]

The first number is that of the constants. The text is all that a compiler needs; `key.py` makes the name of
it under which the compiled loop is kept.
"""

from __future__ import annotations

import base64
import json
import operator
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor, fx
from torch._subclasses import FakeTensorMode

from seqkit.engine.trace.graphs import Stage, returned

MOST_BYTES: Final = 1 << 20
"""Size of a constant tensor that is a part of a graph, at most."""
_NAMED: Final[dict[type, str]] = {
    torch.dtype: "dtype",
    torch.device: "device",
    torch.layout: "layout",
    torch.memory_format: "memory_format",
}


class IndescribableError(Exception):
    """A stage holds something that has no text."""


def describe(stage: Stage, constants: int) -> str:
    """The text of a stage whose first inputs are constants; equal stages have equal texts.

    Raises:
        IndescribableError: it holds an operation, or an argument of one, that has no text.
    """
    numbers: dict[fx.Node, int] = {}
    lines: list[Any] = [constants]
    for node in stage.run.graph.nodes:
        if node.op == "output":
            break
        numbers[node] = len(numbers)
        values = {key: _described(node.meta[key]) for key in ("val", "memory") if key in node.meta}
        if node.op == "placeholder":
            lines.append(["in", values])
        elif node.op == "get_attr":
            lines.append(["tensor", _tensor(getattr(stage.run, str(node.target), None)), values])
        elif node.op == "call_function":
            args, kwargs = _written(node.args, numbers), _written(node.kwargs, numbers)
            lines.append(["call", _name_of(node.target), args, kwargs, values])
        else:
            raise IndescribableError(f"a node of kind {node.op}")
    lines.append(["out", [numbers[node] for node in returned(stage.run.graph)]])
    return json.dumps(lines)


def stage_of(text: str) -> tuple[Stage, int]:
    """The stage that a text describes, and the number of its constants."""
    constants, *lines, (_, outputs) = json.loads(text)
    graph, module, mode = fx.Graph(), torch.nn.Module(), FakeTensorMode()
    nodes: list[fx.Node] = []
    for kind, *line, values in lines:
        if kind == "in":
            node = graph.placeholder(f"in_{len(nodes)}")
        elif kind == "tensor":
            name = f"tensor_{len(nodes)}"
            module.register_buffer(name, _tensor_of(line[0]))
            node = graph.get_attr(name)
        else:
            name, args, kwargs = line
            node = graph.call_function(_function_of(name), *(_read(each, nodes) for each in (args, kwargs)))
        with mode:
            node.meta.update({key: _value_of(value) for key, value in values.items()})
        nodes.append(node)
    graph.output(tuple(nodes[number] for number in outputs))
    inputs = graph.find_nodes(op="placeholder")
    return Stage(inputs, [nodes[number] for number in outputs], fx.GraphModule(module, graph)), constants


def _name_of(target: object) -> str:
    if target is operator.getitem:
        return "getitem"
    if isinstance(target, torch._ops.OpOverload) and target.namespace in ("aten", "prims"):
        return str(target)
    raise IndescribableError(f"a call of {target}")


def _function_of(name: str) -> Callable[..., Any]:
    if name == "getitem":
        return operator.getitem
    space, operation, overload = name.split(".")
    function: Callable[..., Any] = getattr(getattr(getattr(torch.ops, space), operation), overload)
    return function


def _described(value: Any) -> Any:
    """Shape, strides and kind of a node's result, which may be several tensors, or a number."""
    if isinstance(value, Tensor):
        kinds = str(value.dtype).removeprefix("torch."), str(value.device)
        return {"shape": [*value.shape], "stride": [*value.stride()], "kind": kinds}
    if isinstance(value, Sequence):
        return [_described(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    raise IndescribableError(f"a result of type {type(value).__name__}")


def _value_of(described: Any) -> Any:
    if isinstance(described, dict):
        dtype, device = described["kind"]
        size = described["shape"], described["stride"]
        return torch.empty_strided(*size, dtype=getattr(torch, dtype), device=device)
    return [_value_of(each) for each in described] if isinstance(described, list) else described


def _written(value: Any, numbers: dict[fx.Node, int]) -> Any:
    """An argument as JSON: what JSON lacks is an object with one key."""
    if isinstance(value, fx.Node):
        return {"node": numbers[value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple):
        return {"tuple": [_written(each, numbers) for each in value]}
    if isinstance(value, list):
        return [_written(each, numbers) for each in value]
    if isinstance(value, dict):
        return {"dict": {key: _written(each, numbers) for key, each in value.items()}}
    if isinstance(value, slice):
        return {"slice": [_written(each, numbers) for each in (value.start, value.stop, value.step)]}
    for kind, name in _NAMED.items():
        if isinstance(value, kind):
            return {name: str(value).removeprefix("torch.")}
    raise IndescribableError(f"an argument of type {type(value).__name__}")


def _read(value: Any, nodes: Sequence[fx.Node]) -> Any:
    if isinstance(value, list):
        return [_read(each, nodes) for each in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "node":
        return nodes[inner]
    if kind == "dict":
        return {key: _read(each, nodes) for key, each in inner.items()}
    if kind == "tuple":
        return tuple(_read(each, nodes) for each in inner)
    if kind == "slice":
        return slice(*(_read(each, nodes) for each in inner))
    return torch.device(inner) if kind == "device" else getattr(torch, inner)


def _tensor(value: object) -> Any:
    if not isinstance(value, Tensor) or value.is_complex() or value.nbytes > MOST_BYTES:
        raise IndescribableError("a constant that is not a small tensor")
    content = value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    return [*_described(value).values(), base64.b64encode(content).decode()]


def _tensor_of(written: Any) -> Tensor:
    shape, stride, (dtype, device), content = written
    numbers = torch.frombuffer(bytearray(base64.b64decode(content)), dtype=getattr(torch, dtype))
    return torch.empty_strided(shape, stride, dtype=numbers.dtype, device=device).copy_(numbers.view(shape))
