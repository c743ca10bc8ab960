"""Recipes: typed, complete descriptions of a run."""

from seqkit.recipe.recipe import Recipe
from seqkit.recipe.resolved import Component, ResolvedRecipe
from seqkit.recipe.tables import ModelConfig, TrainConfig
from seqkit.registry.tables import DataConfig, SampleConfig, SeriesConfig

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
