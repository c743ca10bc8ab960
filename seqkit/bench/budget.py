"""The same training budget for several recipes."""

from __future__ import annotations

from seqkit.recipe import Recipe
from seqkit.registry import Registry


def with_budget(recipe: Recipe, registry: Registry, unit: str, amount: float) -> Recipe:
    """The recipe with this training budget only.

    Args:
        recipe: the recipe.
        registry: the registry to resolve it with.
        unit: `"steps"`, `"epochs"` or `"minutes"`.
        amount: the budget in this unit.
    """
    budgeted = recipe.override([f"train.{unit}={amount}"])
    for other in {"steps", "epochs", "minutes"} - {unit}:
        if getattr(budgeted.resolve(registry).train, other) is not None:
            budgeted = budgeted.override([f"~train.{other}"])
    return budgeted
