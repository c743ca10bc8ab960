"""What the contract of a cell says about the engines: it adds to the checks of steps and sequences."""

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
    """Outputs, final state and gradients of every engine are the loop's, also once weights have moved."""
    reset = torch.zeros(BATCH, TIME, dtype=torch.bool)
    reset[0, 2] = reset[2, 5] = True
    for engine in ("auto", "fused"):  # "compiled" is the same split, and needs a compiler
        cell = case.make()
        with suppress(SplitError):  # then "auto" is the loop
            for what in ("", ", once weights have moved"):
                expected = everything(case, "loop", reset, cell)
                found = everything(case, engine, reset, cell)
                require_equal(found, expected, f"engine {engine!r} differs{what}", 1e-8)
                moved(cell)


@check
def check_recomputed_steps_equal_the_loop(case: CellCase) -> None:
    """Steps that are computed again in the backward pass give the same gradients."""
    reset = torch.zeros(BATCH, TIME, dtype=torch.bool)
    expected = everything(case, "loop", reset)
    for engine in ("loop", "auto"):
        found = everything(case, engine, reset, recompute_every=3)
        require_equal(found, expected, f"engine {engine!r} with recompute_every=3 differs", 1e-8)


@check
def check_settings_are_followed(case: CellCase) -> None:
    """A number that is changed in the cell, or in an object that it holds, shows with every engine."""
    cell, x = case.make(), sequence(case)
    unroll(cell, x)
    for owner, name, value in settings_of(cell):
        setattr(owner, name, 1.5 * value + 0.1)
        try:
            expected = unroll(cell, x, engine="loop")
        except Exception:  # the cell does not take such a number
            continue
        finally:
            changed = getattr(owner, name)
            setattr(owner, name, value)
        setattr(owner, name, changed)
        found = unroll(cell, x)
        setattr(owner, name, value)
        require_equal(found, expected, f"a changed {name} does not show", 1e-8)


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
        require_equal(found, hidden, f"engine {engine!r} differs from the cells one after the other", 1e-8)


@CELL_CHECKS.where(lambda case: case.has_scan)
def check_scan_equals_step(case: CellCase) -> None:
    """`scan` gives outputs, final state and gradients of the steps, resets included."""
    generator = torch.Generator().manual_seed(3)
    for share in (0.0, 0.3):
        reset = torch.rand(BATCH, TIME, generator=generator) < share
        expected = everything(case, "loop", reset)
        require_equal(everything(case, "scan", reset), expected, "scan differs from the steps", 1e-7)
