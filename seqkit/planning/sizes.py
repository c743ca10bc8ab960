"""Sizes of the cell, the dropout, the batch and the window, for the amount of data and time.

They are rules of thumb; docs/how-to/plan.md explains what they are based on.
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
"""The sizes of a cell that may be proposed."""
PARAMETERS_PER_TOKEN = 10
"""Most parameters of the cell for each training token; with more, doubling the units gains almost nothing."""
TOKENS_PER_PARAMETER = 100
"""Tokens to read for each parameter of the cell; with many more, a larger cell is better in the same time,
with many fewer a smaller one."""
ENOUGH_EPOCHS = 20
"""Epochs after which reading the text more often, with a smaller cell in the same time, is not needed."""
DROPOUT = ((10, 0.5), (2, 0.25))
"""Pairs: from this number of parameters of the cell for each token on, this much dropout."""
FEW_EPOCHS = 5
"""With fewer epochs, little is memorised, and dropout only slows learning."""
STEPS_AN_EPOCH = 20
SMALLEST_BATCH, SHORTEST_WINDOW = 4, 25


def propose_sizes(plan: Plan, recipe: ResolvedRecipe) -> dict[str, Any]:
    """Sizes for the data, by key of the recipe; a size that suits the data is left unchanged."""
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
    """The field of the cell's config that makes it larger; None if there is no such field."""
    field: str = recipe.cell.entry.declaration.size_field
    return field if isinstance(getattr(recipe.cell.config, field, None), int) else None


def _cell_size(plan: Plan, recipe: ResolvedRecipe, field: str) -> tuple[int, int]:
    """A size and its number of parameters: those of the recipe, unless twice or half as many are wanted."""
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
    """Number of parameters of the cell that suits the data and the time of the budget."""
    parameters, tokens, epochs = plan.cell_parameters, plan.splits["train"].tokens, plan.expected.epochs
    most = PARAMETERS_PER_TOKEN * tokens
    if parameters > most:
        return most
    if 2 * parameters < plan.parameters:
        return parameters  # head and embedding take most of the time, so the size of the cell hardly matters
    # In the same time, a cell with more parameters reads fewer tokens.
    affordable = math.sqrt(parameters * epochs * tokens / TOKENS_PER_PARAMETER)
    if affordable > parameters:
        return min(most, affordable)
    return min(parameters, max(affordable, parameters * epochs / ENOUGH_EPOCHS))


def _parameters(plan: Plan, recipe: ResolvedRecipe, field: str, size: int) -> int | None:
    """Number of parameters of the cell in that size; None if it cannot have that size."""
    config = recipe.cell.config.model_copy(update={field: size})
    sized = replace(recipe, cell=replace(recipe.cell, config=config))
    try:
        cell = outline_model(sized, Sizes(plan.vocabulary.size)).cell
    except Exception:  # a third-party constructor may raise anything for a size that its cell cannot have
        return None
    return sum(parameter.numel() for parameter in cell.parameters())


def _batch(plan: Plan, recipe: ResolvedRecipe) -> tuple[int, int]:
    """Batch and window that give an epoch enough steps: first with fewer rows, then with shorter ones."""
    tokens, batch_size, seq_len = plan.splits["train"].tokens, recipe.train.batch_size, recipe.train.seq_len
    if tokens >= STEPS_AN_EPOCH * batch_size * seq_len:
        return batch_size, seq_len
    wanted = 1.25 * STEPS_AN_EPOCH  # enough also for the other data.split that may be proposed with it
    while tokens < wanted * batch_size * seq_len and batch_size > SMALLEST_BATCH:
        batch_size = max(SMALLEST_BATCH, batch_size // 2)
    while tokens < wanted * batch_size * seq_len and seq_len > SHORTEST_WINDOW:
        seq_len = max(SHORTEST_WINDOW, seq_len // 2)
    return batch_size, seq_len
