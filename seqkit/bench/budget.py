"""One budget for several recipes."""

from __future__ import annotations

from seqkit.recipe import Recipe
from seqkit.registry import Registry


def with_budget(recipe: Recipe, registry: Registry, unit: str, amount: float) -> Recipe:
    """The recipe with this budget and no other.

    Args:
        unit: `"steps"`, `"epochs"` or `"minutes"`.
    """
    budgeted = recipe.override([f"train.{unit}={amount}"])
    for other in {"steps", "epochs", "minutes"} - {unit}:
        if getattr(budgeted.resolve(registry).train, other) is not None:
            budgeted = budgeted.override([f"~train.{other}"])
    return budgeted
