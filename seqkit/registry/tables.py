"""The tables that the built-in tasks add to a recipe."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from seqkit.plugin import Config


def _require_three(split: object) -> object:
    if isinstance(split, list | tuple) and len(split) != 3:
        raise ValueError("should be three fractions, for train, validation and test")
    return split


def _check_split(split: tuple[float, float, float]) -> tuple[float, float, float]:
    train, validation, test = split
    if not train > 0 or validation < 0 or test < 0 or not abs(train + validation + test - 1) <= 1e-6:
        raise ValueError("should be three fractions that sum to 1, the first greater than 0")
    return split


class DataConfig(Config):
    """`[data]`: how the text of the source is split."""

    split: tuple[float, float, float] = (0.9, 0.05, 0.05)
    """Fractions of train, validation and test, in characters, or in documents if these are kept apart; not
    used if the source has its own splits."""
    documents: Literal["joined", "apart", "lines"] = "joined"
    """`joined` makes one text of all documents; `apart` ends each document of the source with an end token;
    `lines` does so with each line."""
    separator: str | None = None
    """With documents `apart`: a line, such as `%`, that ends a document too; `""` is a blank line."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the hash that assigns documents to splits."""

    _require_three = field_validator("split", mode="before")(_require_three)
    _check_split = field_validator("split")(_check_split)

    @field_validator("separator")
    @classmethod
    def _check_separator(cls, separator: str | None, info: ValidationInfo) -> str | None:
        if separator is not None and "\n" in separator:
            raise ValueError("should be one line, without a line end")
        if separator is not None and info.data.get("documents") != "apart":
            raise ValueError("is for documents that are kept apart (data.documents=apart)")
        return separator


def as_date(text: str) -> datetime:
    """A date in the exchange's local time: a UTC offset is ignored."""
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _iso(value: object) -> object:
    """A date as an ISO string, from a TOML date or from a string."""
    if isinstance(value, date):
        value = value.isoformat()
    if not isinstance(value, str):
        return value
    try:
        found = as_date(value)
    except ValueError:
        raise ValueError("should be a date such as 2012-12-31") from None
    return found.isoformat() if found.time() != time() else found.date().isoformat()


Date = Annotated[str, BeforeValidator(_iso)]


class SeriesConfig(Config):
    """`[series]`: what is read and predicted from prices; a recipe with this table is for series."""

    target: Literal["return", "price"] = "return"
    """`return` predicts the log return of the next row; `price` its price, which in a test leaves the range
    of the training prices."""
    lags: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(default_factory=list)
    """For each N, also read the return N rows earlier; the row's own return is always read."""
    sums: list[Annotated[int, Field(ge=2, le=10_000)]] = Field(default_factory=list)
    """For each N, also read the sum of the last N returns."""
    volatilities: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(default_factory=list)
    """For each N, also read the root mean square of the last N returns; 1 gives the size of the last one."""
    volume: bool = False
    """Whether to read the change of the log volume."""
    range: bool = False
    """Whether to read the log of high over low."""
    calendar: bool = False
    """Whether to read weekday and month."""
    horizon: int = Field(default=1, ge=1, le=1000)
    """Number of rows ahead up to which the report judges forecasts."""
    split: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """Fractions of the dates for train, validation and test, in order of time."""
    validation_from: Date | None = None
    """First date of validation, in place of its fraction: `2009-01-01`."""
    test_from: Date | None = None
    """First date of the test, in place of its fraction."""

    paths: int = Field(default=500, ge=10)
    """Number of paths sampled from every judged row, if the horizon is more than one row."""

    @field_validator("split")
    @classmethod
    def _check_judged(cls, split: tuple[float, float, float]) -> tuple[float, float, float]:
        if not any(split[1:]):
            raise ValueError("should leave dates for validation or test, else nothing can be judged")
        return split

    @field_validator("test_from")
    @classmethod
    def _check_order(cls, test_from: str | None, info: ValidationInfo) -> str | None:
        validation_from = info.data.get("validation_from")
        if test_from and validation_from and as_date(test_from) < as_date(validation_from):
            raise ValueError(f"should not be before series.validation_from, {validation_from}")
        return test_from

    _require_three = field_validator("split", mode="before")(_require_three)
    _check_split = field_validator("split")(_check_split)

    @field_validator("horizon")
    @classmethod
    def _check_horizon(cls, horizon: int, info: ValidationInfo) -> int:
        of_the_file = [name for name in ("volume", "range", "calendar") if info.data.get(name)]
        if horizon > 1 and of_the_file:
            raise ValueError(
                f"a path of several rows is sampled row by row, and {of_the_file[0]} does not follow from "
                f"sampled returns (series.{of_the_file[0]}=false leaves it out); should be 1"
            )
        return horizon


class SampleConfig(Config):
    """`[sample]`: the default options for generating text."""

    prompt: str = ""
    max_tokens: int = Field(default=400, ge=0)
    temperature: float = Field(default=0.8, ge=0, allow_inf_nan=False)
    top_k: int | None = Field(default=None, ge=1)
    top_p: float | None = Field(default=None, gt=0, le=1)
    repetition_penalty: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Number that divides the logits of tokens already generated (CTRL, arXiv 1909.05858); 1.0 is off."""
    stop: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    seed: int = Field(default=0, ge=0, lt=2**63)
