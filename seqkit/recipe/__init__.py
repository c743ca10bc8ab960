"""Recipes: a typed, complete description of a run."""

from seqkit.recipe.recipe import Recipe
from seqkit.recipe.resolved import Component, ResolvedRecipe
from seqkit.recipe.tables import DataConfig, ModelConfig, SampleConfig, SeriesConfig, TrainConfig

__all__ = [
    "Component",
    "DataConfig",
    "ModelConfig",
    "Recipe",
    "ResolvedRecipe",
    "SampleConfig",
    "SeriesConfig",
    "TrainConfig",
]
