"""Checks of a cell with every engine: they add to the checks of steps and sequences."""

from __future__ import annotations

import copy
from contextlib import suppress

import torch

from seqkit.cells import Stacked
from seqkit.cells.base import map_state
from seqkit.engine import unroll
from seqkit.errors import SplitError
from seqkit.testing.cases import CellCase
from seqkit.testing.cell_checks import check
from seqkit.testing.comparing import BATCH, TIME, everything, moved, require_equal, sequence, settings_of
from seqkit.testing.sequence_checks import CELL_CHECKS

__all__ = ["CELL_CHECKS"]


@check
def check_every_engine_equals_the_loop(case: CellCase) -> None:
    """Every engine gives the outputs, state and gradients of the loop, also after weights have changed."""
    reset = torch.zeros(BATCH, TIME, dtype=torch.bool)
    reset[0, 2] = reset[2, 5] = True
    for engine in ("auto", "fused"):  # "compiled" uses the same split, and needs a compiler
        cell = case.make()
        with suppress(SplitError):  # then "auto" is the loop
            for what in ("", " after the weights have changed"):
                expected = everything(case, "loop", reset, cell)
                found = everything(case, engine, reset, cell)
                require_equal(
                    found,
                    expected,
                    f"engine {engine!r} must give the same numbers as the plain loop, but differs{what}.\n"
                    "  Use model.engine=loop for this cell, and report it as a bug of seqkit.",
                    1e-8,
                )
                moved(cell)


@check
def check_recomputed_steps_equal_the_loop(case: CellCase) -> None:
    """Steps that are recomputed in the backward pass give the same gradients."""
    reset = torch.zeros(BATCH, TIME, dtype=torch.bool)
    expected = everything(case, "loop", reset)
    for engine in ("loop", "auto"):
        found = everything(case, engine, reset, recompute_every=3)
        require_equal(
            found,
            expected,
            f"engine {engine!r} with recompute_every=3 must give the loop's numbers, but differs.\n"
            "  Use this cell without recompute_every, and report it as a bug of seqkit.",
            1e-8,
        )


@check
def check_settings_are_followed(case: CellCase) -> None:
    """A number changed in the cell, or in an object that it holds, takes effect with every engine."""
    cell, x = case.make(), sequence(case)
    unroll(cell, x)
    for owner, name, value in settings_of(cell):
        setattr(owner, name, 1.5 * value + 0.1)
        try:
            expected = unroll(cell, x, engine="loop")
        except Exception:  # the cell does not accept such a number
            continue
        finally:
            changed = getattr(owner, name)
            setattr(owner, name, value)
        setattr(owner, name, changed)
        found = unroll(cell, x)
        setattr(owner, name, value)
        require_equal(
            found,
            expected,
            f"after {name} has changed, engine 'auto' must give the numbers of the plain loop, but differs.\n"
            "  Use model.engine=loop for this cell, and report it as a bug of seqkit.",
            1e-8,
        )


@check
def check_a_copy_has_its_own_weights(case: CellCase) -> None:
    """In a stack, a deep copy computes with its own weights."""
    below = case.make()
    above = case.make(input_size=below.output_size)
    copied = moved(copy.deepcopy(above))
    if copied.output_size != copied.input_size:
        above = copied  # a stack of two
    cells = [below, copied] if above is copied else [below, above, copied]
    hidden = sequence(case)
    for cell in cells:
        state, outputs = cell.initial_state(BATCH), []
        for x in hidden.unbind(1):
            output, state = cell.step(x, map_state(lambda leaf: leaf, state))
            outputs.append(output)
        hidden = torch.stack(outputs, 1)
    for engine in ("loop", "auto"):
        found, _ = unroll(Stacked(cells), sequence(case), engine=engine)
        require_equal(
            found,
            hidden,
            f"a stack with a deep copy of the cell must give the same with engine {engine!r} as the cells "
            "run one after the other, but differs.\n"
            "  If the check deepcopy passes, report the cell as a bug of seqkit; else correct that first.",
            1e-8,
        )


@CELL_CHECKS.where(lambda case: case.has_scan)
def check_scan_equals_step(case: CellCase) -> None:
    """`scan` gives the same outputs, final state and gradients as the steps, also with resets."""
    generator = torch.Generator().manual_seed(3)
    for share in (0.0, 0.3):
        reset = torch.rand(BATCH, TIME, generator=generator) < share
        expected = everything(case, "loop", reset)
        require_equal(
            everything(case, "scan", reset),
            expected,
            "scan must give the same outputs, final state and gradients as step, but differs.\n"
            "  Correct scan, or remove it: without it, the engine runs the steps.",
            1e-7,
        )
