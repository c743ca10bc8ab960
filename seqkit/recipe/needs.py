"""Dependencies between keys: keys that have an effect only if another key has a certain value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seqkit.plugin import Config
from seqkit.recipe.tables import ModelConfig, TrainConfig
from seqkit.registry.builtin import PricesConfig, SyntheticConfig
from seqkit.registry.tables import DataConfig, SeriesConfig


@dataclass(frozen=True)
class AllBut:
    """Every value but one, including those of plugins.

    Args:
        value: the value that is excluded.
        shown: the values that a message lists.
    """

    value: object
    shown: tuple[str, ...]

    def __contains__(self, other: object) -> bool:
        return other != self.value


@dataclass(frozen=True)
class Need:
    """A requirement of a key, without which the key would be read and ignored."""

    key: str
    of: type[Config]
    """The config that has the key."""
    any_of: Mapping[str, tuple[object, ...] | range | AllBut]
    """Other keys, and their values with which this key has an effect; one of several keys is enough."""

    def unmet(self, tables: Mapping[str, Any]) -> str:
        """Message for an unmet requirement; an empty string if it is met.

        Args:
            tables: the typed configs by name; None for a faulty one, for which the result is empty.
        """
        found = []
        for key, values in self.any_of.items():
            table, _, name = key.partition(".")
            if tables.get(table) is None:
                return ""
            value = getattr(tables[table], name)
            if isinstance(value, dict):  # a head or an encoder with settings
                value = value.get("use")
            if value in values:
                return ""
            found.append(value)
        wanted = ", or ".join(_words(key, values) for key, values in self.any_of.items())
        there = ", ".join(map(str, found))
        return f"needs {wanted}, and has no effect with {there}"


def _words(key: str, values: tuple[object, ...] | range | AllBut) -> str:
    if isinstance(values, AllBut):
        values = values.shown
    if isinstance(values, range):
        return f"{key}={values.start} or more"
    return f"no {key}" if values == (None,) else f"{key}={' or '.join(map(str, values))}"


MANY = range(2, 1 << 31)
WITH_WEIGHTS = AllBut("none", ("linear", "point", "gaussian", "student_t", "quantile"))
NOT_ONE_HOT = AllBut("one_hot", ("embedding", "raw"))
NEEDS = (
    Need("model.embedding_size", ModelConfig, {"model.encoder": ("embedding",)}),
    Need("model.encoder_dropout", ModelConfig, {"model.encoder": NOT_ONE_HOT}),
    Need(
        "model.dropout",  # one-hot rows and the outputs of the head "none" are not dropped
        ModelConfig,
        {
            "model.encoder": NOT_ONE_HOT,
            "model.layers": MANY,
            "model.head": WITH_WEIGHTS,
        },
    ),
    Need("train.momentum", TrainConfig, {"train.optimizer": ("sgd", "rmsprop")}),
    Need("train.final_fraction", TrainConfig, {"train.schedule": ("linear", "cosine")}),
    Need("data.seed", DataConfig, {"data.documents": ("apart", "lines")}),
    Need("series.paths", SeriesConfig, {"series.horizon": MANY}),
    Need("series.split", SeriesConfig, {"series.validation_from": (None,), "series.test_from": (None,)}),
    Need("source.phi", SyntheticConfig, {"source.process": ("ar1",)}),
    Need("source.panel", PricesConfig, {"source.symbol": (None,)}),
)
