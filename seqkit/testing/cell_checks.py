"""Checks of a cell's contract for a single step."""

from __future__ import annotations

import tomllib

import tomli_w
import torch
from torch import Tensor

from seqkit.cells.base import map_state
from seqkit.engine.trace.graphs import is_differentiable
from seqkit.recipe.validation import unwritable, validate_config
from seqkit.testing.cases import CellCase
from seqkit.testing.comparing import (
    BATCH,
    leaves_of,
    one_input,
    random_state,
    require_equal,
    structure_of,
)
from seqkit.testing.kit import CheckList, require

CELL_CHECKS: CheckList[CellCase] = CheckList()
check = CELL_CHECKS.check


@check
def check_input_size_comes_first(case: CellCase) -> None:
    """The first argument of the constructor is `input_size`, and the cell has both sizes."""
    require(
        case.parameters[:1] == ["input_size"],
        f"the constructor takes {case.parameters}; its first argument must be input_size.\n"
        "  Declare it as def __init__(self, input_size, ...).",
    )
    cell = case.make()
    require(
        cell.input_size == case.input_size,
        f"input_size is {cell.input_size}, expected {case.input_size}.\n"
        "  Set self.input_size = input_size in __init__.",
    )
    require(
        isinstance(cell.output_size, int) and cell.output_size > 0,
        f"output_size must be a positive int, got {cell.output_size!r}.\n"
        "  Set self.output_size in __init__ to the number of features of an output.",
    )


@check
def check_config_fields_are_keywords(case: CellCase) -> None:
    """Every field of the config is a keyword of the constructor."""
    missing = case.missing_keywords()
    require(
        not missing,
        "every field of the config must be a keyword of the constructor, which lacks: "
        f"{', '.join(missing)}.\n  Add these parameters to __init__, or remove the fields from the config.",
    )


@CELL_CHECKS.where(lambda case: case.declaration is not None)
def check_config_survives_a_recipe(case: CellCase) -> None:
    """The config is the same after it was written to a recipe and read again."""
    assert case.declaration is not None  # the check applies only if there is one
    config = validate_config(case.declaration.config, case.config)
    faults = unwritable(config)
    require(not faults, "; ".join(f"{name}: {said}" for name, said in faults.items()))
    text = tomli_w.dumps(config.model_dump(exclude_none=True))
    again = validate_config(case.declaration.config, tomllib.loads(text))
    changed = [name for name in type(config).model_fields if getattr(config, name) != getattr(again, name)]
    require(
        not changed,
        f"the value changes when it is written to a recipe and read again: {', '.join(changed)}.\n"
        "  Use fields of numbers, strings, dates, lists, tuples or tables.",
    )


@check
def check_output_shape(case: CellCase) -> None:
    """A step gives `(batch, output_size)` in the cell's dtype, for one row and for several."""
    cell = case.make()
    for batch in (1, BATCH):
        output, _ = cell.step(one_input(case, batch), cell.initial_state(batch))
        expected = (batch, cell.output_size)
        require(
            tuple(output.shape) == expected,
            f"the output has the shape {tuple(output.shape)}, expected (batch, output_size) = {expected}.\n"
            "  Return an output of this shape from step, or correct self.output_size.",
        )
        require(
            output.dtype == torch.float64,
            f"the output has the dtype {output.dtype} in a float64 cell, expected torch.float64.\n"
            "  Create tensors in step with the dtype of its input.",
        )


@check
def check_state_has_the_batch_first(case: CellCase) -> None:
    """Every tensor of the state has the batch first, at the start and after a step."""
    cell = case.make()
    for batch in (1, BATCH):
        state = cell.initial_state(batch)
        for now in (state, cell.step(one_input(case, batch), state)[1]):
            for leaf in leaves_of(now):
                require(
                    leaf.ndim >= 1 and len(leaf) == batch,
                    f"a tensor of the state has the shape {tuple(leaf.shape)} for a batch of {batch}; "
                    "its first dimension must be the batch.\n"
                    "  Change initial_state and step to put the batch first.",
                )


@check
def check_state_tree_is_stable(case: CellCase) -> None:
    """The state keeps its tree, shapes and dtypes from step to step."""
    cell = case.make()
    state = first = cell.initial_state(BATCH)
    for _ in range(3):
        _, state = cell.step(one_input(case), state)
        require(
            structure_of(state) == structure_of(first),
            "step must return a state with the same tree, shapes and dtypes as the initial state.\n"
            f"  Expected {structure_of(first)}, got {structure_of(state)}.\n"
            "  Change initial_state or step so that they agree.",
        )


@check
def check_initial_state_follows_the_parameters(case: CellCase) -> None:
    """The initial state has the dtype and the device of the parameters."""
    for dtype, complex_dtype in ((torch.float32, torch.complex64), (torch.float64, torch.complex128)):
        for leaf in leaves_of(case.make(dtype).initial_state(2)):
            expected = complex_dtype if leaf.is_complex() else dtype
            require(
                not is_differentiable(leaf) or leaf.dtype == expected,
                f"the initial state has the dtype {leaf.dtype} in a {dtype} cell, expected the cell's.\n"
                "  Create it with self.zeros(batch_size, ...), or with the dtype of a parameter.",
            )
    if list(case.make().parameters()):
        for leaf in leaves_of(case.make().to("meta").initial_state(2)):
            require(
                leaf.device.type == "meta",
                f"the initial state is on {leaf.device}, expected the device of the parameters.\n"
                "  Create it with self.zeros(batch_size, ...), or with the device of a parameter.",
            )


@check
def check_initial_state_is_fresh(case: CellCase) -> None:
    """Each call of `initial_state` gives the same values, in new memory."""
    cell = case.make()
    first = cell.initial_state(BATCH)
    before = map_state(Tensor.clone, first)
    weights = {tensor.untyped_storage().data_ptr() for tensor in cell.parameters()}
    for leaf in leaves_of(first):
        if leaf.untyped_storage().data_ptr() not in weights:  # a learned state is a view of a parameter
            leaf.detach().as_strided((1,), (1,), 0).fill_(7)  # all rows of an expanded one share this number
    require_equal(
        cell.initial_state(BATCH),
        before,
        "writing to one initial state changes the next one; each call must return new tensors.\n"
        "  Create the tensors inside initial_state instead of storing them.",
    )


@check
def check_forward_is_step(case: CellCase) -> None:
    """Calling the cell gives the same as its `step`."""
    cell, x = case.make(), one_input(case)
    require_equal(
        cell(x, cell.initial_state(BATCH)),
        cell.step(x, cell.initial_state(BATCH)),
        "cell(x, state) and cell.step(x, state) must give the same, but differ.\n"
        "  Do not override forward; write everything in step.",
    )


@check
def check_step_changes_no_input(case: CellCase) -> None:
    """A step does not write to its input or its state."""
    cell, x = case.make(), one_input(case)
    state = random_state(cell)
    before = map_state(Tensor.clone, (x, state))
    with torch.no_grad():
        cell.step(x, state)
    require_equal(
        (x, state),
        before,
        "the step changed its input or its state in place; it must leave both unchanged.\n"
        "  Compute new tensors instead of using in-place operations.",
    )


@check
def check_step_leaves_no_trace(case: CellCase) -> None:
    """A step changes nothing in the cell: no attribute, no buffer, no parameter."""
    cell = case.make()
    before = {name: dict(vars(module)) for name, module in cell.named_modules()}
    values = map_state(Tensor.clone, dict(cell.state_dict()))
    cell.step(one_input(case), cell.initial_state(BATCH))
    for name, module in cell.named_modules():
        changed = [key for key in vars(module) if vars(module)[key] is not before[name].get(key)]
        require(
            not changed,
            f"the step sets attributes of the cell, which must not change: self.{', self.'.join(changed)}.\n"
            "  Keep everything that changes from step to step in the state.",
        )
    require_equal(
        dict(cell.state_dict()),
        values,
        "the step changes a buffer or a parameter, which must stay the same.\n"
        "  Keep everything that changes from step to step in the state.",
    )
