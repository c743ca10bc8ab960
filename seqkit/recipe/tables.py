"""The tables that every recipe has; tasks and components add their own."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from seqkit.plugin import Config


class ModelConfig(Config):
    """`[model]`: the layers, encoder and head around the cell."""

    layers: int = Field(default=1, ge=1, le=1000)
    """Number of stacked cells."""
    encoder: str | dict[str, Any] = "one_hot"
    """Name of the encoder, or a table with `use` and the encoder's settings."""
    embedding_size: int = Field(default=64, ge=1)
    """Features of the embedding; used only with the encoder `embedding`."""
    head: str | dict[str, Any] = "linear"
    """Name of the head, or a table with `use` and the head's settings. Text: `linear`, or `none` if the cell
    gives the logits. Series: `student_t`, `gaussian`, `point` or `quantile`."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout after the encoder (not of one-hot rows), between layers and before the head."""
    encoder_dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout after the encoder, if it should differ from `dropout`."""
    engine: Literal["auto", "loop", "fused", "compiled", "scan"] = "auto"
    recompute_every: int | None = Field(default=None, ge=1)
    """Keep only every N-th time step of a window in memory for the gradients, and compute the others again:
    less memory, more time. About the square root of `train.seq_len` is best."""


class TrainConfig(Config):
    """`[train]`: the loop, its budget, and where it runs."""

    batch_size: int = Field(default=32, ge=1)
    seq_len: int = Field(default=100, ge=1)
    steps: int | None = Field(default=None, ge=1)
    epochs: float | None = Field(default=None, gt=0)
    minutes: float | None = Field(default=None, gt=0)
    """The budget is `steps`, `epochs` and `minutes`: the first limit reached ends training. If none of the
    three is given, it is 10 epochs."""
    optimizer: Literal["adamw", "sgd", "rmsprop"] = "adamw"
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    """Weight decay of matrices; biases are not decayed."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Momentum of sgd and rmsprop."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    final_fraction: float = Field(default=0.0, ge=0, le=1)
    """Fraction of the learning rate that the linear and cosine schedules end with."""
    clip_norm: float = Field(default=3.0, gt=0)
    """Maximum norm of the gradient, which is clipped to it; `inf` does not clip."""
    state: Literal["reset", "carry"] = "reset"
    loss_over_time: Literal["mean", "sum"] = "mean"
    evaluate_every: int | None = Field(default=None, ge=1)
    """Steps between evaluations; by default, evaluate at the end of each epoch."""
    patience: int | None = Field(default=None, ge=1)
    """Consecutive evaluations without a new lowest validation loss after which training stops."""
    log_every: int = Field(default=50, ge=1)
    """Steps between the rows of metrics.jsonl; each row is a mean over these steps."""
    save_every: int | None = Field(default=None, ge=1)
    """Steps between two checkpoints that training can be resumed from; none saves one every 60 s."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """Number of checkpoints to resume from that are kept, besides the best weights."""
    device: str = "auto"
    """Device to train on; `auto` is cuda if it is available, else cpu."""
    precision: Literal["float32", "bfloat16"] = "float32"
    audit: bool = True
    """At steps 10, 100, 1,000 and every 10,000 after that, compare the gradients of a few time steps with the
    plain loop's; a difference ends training."""
    threads: int = Field(default=0, ge=0)
    """Number of CPU threads; 0 is the number of free cores when training begins."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    compress: Literal["none", "bfloat16"] = "none"
    """How several processes exchange gradients: bfloat16 sends half of the bytes, for a slow network."""
    timeout_minutes: float = Field(default=10.0, gt=0)
    """Minutes after which several processes give one up that does not answer."""

    @model_validator(mode="before")
    @classmethod
    def _default_budget(cls, table: dict[str, object]) -> dict[str, object]:
        return table if {"steps", "epochs", "minutes"} & set(table) else {**table, "epochs": 10.0}


TABLES: dict[str, type[Config]] = {"model": ModelConfig, "train": TrainConfig}
"""Tables that every recipe has."""
COMPONENTS = ("source", "cell")
"""Components that every recipe names."""
