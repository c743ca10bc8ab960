"""Declarations of gated cells; torch is imported only when one is built."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from seqkit.plugin import CellConfig, CellPlugin, RecipePlugin, hookimpl

RECIPES = Path(__file__).parent / "recipes"


class LSTMConfig(CellConfig):
    """The LSTM of Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000)."""

    hidden_size: int = Field(default=128, ge=1)
    """Number of units."""
    forget_bias: float = 1.0
    """Initial bias of the forget gate (Jozefowicz et al., 2015)."""


class GRUConfig(CellConfig):
    """The GRU of Cho et al. (2014)."""

    hidden_size: int = Field(default=128, ge=1)
    """Number of units."""
    reset: Literal["after", "before"] = "after"
    """The reset gate acts after the recurrent matrix, as in torch, or before it, as in the paper."""


class LayerNormLSTMConfig(CellConfig):
    """The LSTM with layer normalisation of Ba et al. (2016)."""

    hidden_size: int = Field(default=128, ge=1)
    """Number of units."""
    forget_bias: float = 1.0
    """Initial bias of the forget gate."""


class MinGRUConfig(CellConfig):
    """The minGRU of Feng et al. (2024): its gate depends on the input only."""

    hidden_size: int = Field(default=128, ge=1)
    """Number of units."""


class MinLSTMConfig(CellConfig):
    """The minLSTM of Feng et al. (2024): its gates depend on the input only."""

    hidden_size: int = Field(default=128, ge=1)
    """Number of units."""


@hookimpl
def seqkit_cells() -> list[CellPlugin]:
    """The five cells."""
    return [
        CellPlugin("lstm", LSTMConfig, "seqkit_gated.lstm:LSTM"),
        CellPlugin("lnlstm", LayerNormLSTMConfig, "seqkit_gated.lstm:LayerNormLSTM"),
        CellPlugin("gru", GRUConfig, "seqkit_gated.gru:GRU"),
        CellPlugin("mingru", MinGRUConfig, "seqkit_gated.minimal:MinGRU"),
        CellPlugin("minlstm", MinLSTMConfig, "seqkit_gated.minimal:MinLSTM"),
    ]


@hookimpl
def seqkit_recipes() -> list[RecipePlugin]:
    """`char-lstm`, `char-gru` and `char-mingru`."""
    return [RecipePlugin(path.stem, path) for path in sorted(RECIPES.glob("*.toml"))]
