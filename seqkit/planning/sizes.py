"""Sizes for the amount of data and of time: of the cell, the dropout, the batch and the window.

They are rules of thumb; docs/how-to/plan.md says what they rest on.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from seqkit.planning.figures import Plan
from seqkit.recipe import ResolvedRecipe
from seqkit.tasks import Sizes
from seqkit.tasks.components import outline_model

LADDER = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
"""The sizes of a cell that are proposed."""
PARAMETERS_PER_TOKEN = 10
"""Of the cell, for each token of the training text: with more, twice the units gain next to nothing."""
TOKENS_PER_PARAMETER = 100
"""That the budget reads: with many more, a larger cell is better in the same time, else a smaller one."""
ENOUGH_EPOCHS = 20
"""A smaller cell reads more in the same time; more than so often is not needed."""
DROPOUT = ((10, 0.5), (2, 0.25))
"""From so many parameters of the cell for each token on, this much dropout."""
FEW_EPOCHS = 5
"""With fewer, little is learned by heart, and dropout only slows."""
STEPS_AN_EPOCH = 20
SMALLEST_BATCH, SHORTEST_WINDOW = 4, 25


def propose_sizes(plan: Plan, recipe: ResolvedRecipe) -> dict[str, Any]:
    """What suits the data, by the key of the recipe; a size that suits it stays as it is."""
    field, parameters = size_field(recipe), plan.cell_parameters
    sizes: dict[str, Any] = {}
    if field is not None:
        size, parameters = _cell_size(plan, recipe, field)
        sizes[f"cell.{field}"] = size
    sizes["model.dropout"] = recipe.model.dropout
    if plan.expected.epochs >= FEW_EPOCHS:
        per_token = parameters / plan.splits["train"].tokens
        enough = next((dropout for limit, dropout in DROPOUT if per_token >= limit), 0.0)
        sizes["model.dropout"] = max(recipe.model.dropout, enough)
    sizes["train.batch_size"], sizes["train.seq_len"] = _batch(plan, recipe)
    return sizes


def size_field(recipe: ResolvedRecipe) -> str | None:
    """The field of the cell's config that makes it larger; None where it has none."""
    field: str = recipe.cell.entry.declaration.size_field
    return field if isinstance(getattr(recipe.cell.config, field, None), int) else None


def _cell_size(plan: Plan, recipe: ResolvedRecipe, field: str) -> tuple[int, int]:
    """A size and its parameters: those of the recipe, unless twice or half as many would suit."""
    given, target = (getattr(recipe.cell.config, field), plan.cell_parameters), _wanted_parameters(plan)
    if plan.cell_parameters / 2 < target < 2 * plan.cell_parameters:
        return given
    most = PARAMETERS_PER_TOKEN * plan.splits["train"].tokens
    fitting = [
        (size, parameters)
        for size in LADDER
        if (parameters := _parameters(plan, recipe, field, size)) and parameters <= most
    ]
    return min(fitting, key=lambda pair: abs(math.log(pair[1] / target)), default=given)


def _wanted_parameters(plan: Plan) -> float:
    """Of the cell, for the data and for the time that the budget takes."""
    parameters, tokens, epochs = plan.cell_parameters, plan.splits["train"].tokens, plan.expected.epochs
    most = PARAMETERS_PER_TOKEN * tokens
    if parameters > most:
        return most
    if 2 * parameters < plan.parameters:
        return parameters  # the time goes into head and embedding, and the cell's size says little of it
    # In the same time, a cell of other size reads the fewer tokens, the more parameters it has.
    affordable = math.sqrt(parameters * epochs * tokens / TOKENS_PER_PARAMETER)
    if affordable > parameters:
        return min(most, affordable)
    return min(parameters, max(affordable, parameters * epochs / ENOUGH_EPOCHS))


def _parameters(plan: Plan, recipe: ResolvedRecipe, field: str, size: int) -> int | None:
    """Of the cell in that size; None where it cannot have it."""
    config = recipe.cell.config.model_copy(update={field: size})
    sized = replace(recipe, cell=replace(recipe.cell, config=config))
    try:
        cell = outline_model(sized, Sizes(plan.vocabulary.size)).cell
    except Exception:  # whatever a stranger's constructor raises for a size that its cell cannot have
        return None
    return sum(parameter.numel() for parameter in cell.parameters())


def _batch(plan: Plan, recipe: ResolvedRecipe) -> tuple[int, int]:
    """Batch and window that give an epoch enough steps: first fewer rows, then shorter ones."""
    tokens, batch_size, seq_len = plan.splits["train"].tokens, recipe.train.batch_size, recipe.train.seq_len
    if tokens >= STEPS_AN_EPOCH * batch_size * seq_len:
        return batch_size, seq_len
    wanted = 1.25 * STEPS_AN_EPOCH  # so that another split, proposed beside it, leaves enough of them
    while tokens < wanted * batch_size * seq_len and batch_size > SMALLEST_BATCH:
        batch_size = max(SMALLEST_BATCH, batch_size // 2)
    while tokens < wanted * batch_size * seq_len and seq_len > SHORTEST_WINDOW:
        seq_len = max(SHORTEST_WINDOW, seq_len // 2)
    return batch_size, seq_len
