"""seqkit turns one step of a recurrent cell into a trained, measured sequence model.

The names below are loaded at first use, so that `import seqkit` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from seqkit.cells import Cell
    from seqkit.data import Batch
    from seqkit.engine import unroll
    from seqkit.heads import Head
    from seqkit.inference import generate, score
    from seqkit.model import SequenceModel
    from seqkit.recipe import Recipe
    from seqkit.run import Run, load, resume, train
    from seqkit.sources import Source, TextSource
    from seqkit.tokenizers import Tokenizer
    from seqkit.training import Trainer

_HOMES = {
    "Batch": "seqkit.data",
    "Cell": "seqkit.cells",
    "Head": "seqkit.heads",
    "Recipe": "seqkit.recipe",
    "Run": "seqkit.run",
    "SequenceModel": "seqkit.model",
    "Source": "seqkit.sources",
    "TextSource": "seqkit.sources",
    "Tokenizer": "seqkit.tokenizers",
    "Trainer": "seqkit.training",
    "generate": "seqkit.inference",
    "load": "seqkit.run",
    "resume": "seqkit.run",
    "score": "seqkit.inference",
    "train": "seqkit.run",
    "unroll": "seqkit.engine",
}

__all__ = [
    "Batch",
    "Cell",
    "Head",
    "Recipe",
    "Run",
    "SequenceModel",
    "Source",
    "TextSource",
    "Tokenizer",
    "Trainer",
    "generate",
    "load",
    "resume",
    "score",
    "train",
    "unroll",
]


_MODULES = {
    "cells",
    "data",
    "engine",
    "errors",
    "heads",
    "inference",
    "model",
    "plugin",
    "sources",
    "testing",
}
_MODULES |= {"tokenizers", "training"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"seqkit.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'seqkit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES, "__version__"])
