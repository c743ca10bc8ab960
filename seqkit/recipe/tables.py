"""The tables of every recipe; tasks and components bring theirs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from seqkit.plugin import Config


class ModelConfig(Config):
    """`[model]`: what is around the cell."""

    layers: int = Field(default=1, ge=1)
    """Cells on top of each other."""
    encoder: str | dict[str, Any] = "one_hot"
    """A name, or a table with `use` and the encoder's settings."""
    embedding_size: int = Field(default=64, ge=1)
    """Features of the embedding; used with that encoder only."""
    head: str | dict[str, Any] = "linear"
    """A name, or a table with `use` and the head's settings. Text: `linear`, or `none`, where the cell gives
    the logits. Series: `student_t`, `gaussian`, `point` or `quantile`."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """After the encoder (not of one-hot rows), between layers and before the head."""
    encoder_dropout: float | None = Field(default=None, ge=0, lt=1)
    """After the encoder, where it should be another one."""
    engine: Literal["auto", "loop", "fused", "compiled", "scan"] = "auto"
    recompute_every: int | None = Field(default=None, ge=1)
    """Of the time steps of a window only every N-th is kept in memory for the gradients, and the rest is
    computed again: less memory, more time. About the square root of `train.seq_len` is best."""


class TrainConfig(Config):
    """`[train]`: the loop, its budget, and where it runs."""

    batch_size: int = Field(default=32, ge=1)
    seq_len: int = Field(default=100, ge=1)
    steps: int | None = Field(default=None, ge=1)
    epochs: float | None = Field(default=None, gt=0)
    minutes: float | None = Field(default=None, gt=0)
    """The budget: what is reached first ends training. Without any of the three: 10 epochs."""
    optimizer: Literal["adamw", "sgd", "rmsprop"] = "adamw"
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    """Of matrices; biases are not decayed."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Of sgd and rmsprop."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    final_fraction: float = Field(default=0.0, ge=0, le=1)
    """Of the learning rate that linear and cosine end with."""
    clip_norm: float = Field(default=3.0, gt=0)
    """The gradient's norm is clipped to it; `inf` does not clip."""
    state: Literal["reset", "carry"] = "reset"
    loss_over_time: Literal["mean", "sum"] = "mean"
    evaluate_every: int | None = Field(default=None, ge=1)
    """Steps between evaluations; without it, the end of each epoch."""
    patience: int | None = Field(default=None, ge=1)
    """Evaluations in a row without a new lowest validation loss after which training stops."""
    log_every: int = Field(default=50, ge=1)
    """Steps between the rows of metrics.jsonl; each is a mean over them."""
    device: str = "auto"
    """`auto` is cuda where there is one, else cpu."""
    precision: Literal["float32", "bfloat16"] = "float32"
    audit: bool = True
    """At steps 10, 100, 1,000 and every 10,000 after that, compare the gradients of a few time steps with the
    plain loop's; a difference ends training."""
    threads: int = Field(default=0, ge=0)
    """Of the CPU; 0: as many as there are free cores when training begins."""
    seed: int = Field(default=0, ge=0, lt=2**63)

    @model_validator(mode="before")
    @classmethod
    def _default_budget(cls, table: dict[str, object]) -> dict[str, object]:
        return table if {"steps", "epochs", "minutes"} & set(table) else {**table, "epochs": 10.0}


TABLES: dict[str, type[Config]] = {"model": ModelConfig, "train": TrainConfig}
"""That every recipe has."""
COMPONENTS = ("source", "cell")
"""That every recipe names."""
