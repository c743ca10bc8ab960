"""The built-in components and recipes, declared through the hooks that every plugin uses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    field_validator,
)

from seqkit.plugin import (
    CellConfig,
    CellPlugin,
    DataPath,
    EncoderConfig,
    EncoderPlugin,
    HeadConfig,
    HeadPlugin,
    RecipePlugin,
    SourceConfig,
    SourcePlugin,
    TaskPlugin,
    TokenizerConfig,
    TokenizerPlugin,
    hookimpl,
)
from seqkit.registry.tables import DataConfig, SampleConfig, SeriesConfig
from seqkit.sources.prices.options import config_fields

TEXT, SERIES = "seqkit.sources:TextSource", "seqkit.sources:SeriesSource"
RECIPES = Path(__file__).parent.parent / "recipes"


class RNNConfig(CellConfig):
    """The scratch RNN: three weight matrices and a tanh."""

    hidden_size: int = Field(default=128, ge=1)
    """Units of the hidden state."""


class CharConfig(TokenizerConfig):
    """Each Unicode code point is a token."""

    errors: Literal["replace", "strict"] = "replace"
    """`replace` reads an unknown character as `<unk>`; with `strict` it is an error."""


class WordConfig(TokenizerConfig):
    """Each word, number, mark or white space is a token; in Chinese and Japanese, each character."""

    lowercase: bool = False
    """Whether to read, and generate, words in lower case."""
    min_count: int = Field(default=1, ge=1)
    """How often a word has to occur in the training text to be a token; single white space always is one."""
    max_vocab: int | None = Field(default=None, ge=2)
    """Maximum number of tokens, including `<unk>`; the rarest words are left out."""
    unknown: Literal["token", "spell"] = "token"
    """`token` reads an unknown word as `<unk>`; `spell` spells it in the characters of the training text."""
    split: Literal["unicode", "white-space"] = "unicode"
    """`unicode` makes words, marks and white space tokens. `white-space` makes the words between white space
    tokens, with `<eos>` for the line end and `<unk>` as one token, as in the Penn Treebank and WikiText."""

    @field_validator("split")
    @classmethod
    def _check_spelling(cls, split: str, info: ValidationInfo) -> str:
        if split == "white-space" and info.data.get("unknown") == "spell":
            raise ValueError(
                "cannot be combined with tokenizer.unknown=spell: single characters would be read as words"
            )
        return split


class TextConfig(SourceConfig):
    """Text files: a path, a folder, a list, a glob, or one of these for each split."""

    path: DataPath | list[DataPath] | dict[str, DataPath | list[DataPath]]
    """A file (also `.gz`, `.bz2`, `.xz` or `.zst`), a folder, a list, a glob, or
    `{train = ..., validation = ..., test = ...}`."""
    encoding: str = "utf-8"
    """Any encoding of Python; by default UTF-8, with or without a byte order mark."""
    newlines: Literal["lf", "keep"] = "lf"
    """`lf` turns CRLF and CR into LF; `keep` leaves them unchanged."""
    on_error: Literal["strict", "replace"] = "strict"
    """With `strict`, invalid bytes are an error; `replace` reads them as U+FFFD and counts them."""


class StringsConfig(SourceConfig):
    """Texts in memory, or in the recipe itself; each is a document."""

    texts: list[str] | dict[Literal["train", "validation", "test"], list[str]]
    """A list, or `{train = [...], validation = [...], test = [...]}`."""


class SamplesConfig(SourceConfig):
    """Sample data that is already on the machine."""

    name: str = "python-docs"
    """`python-docs`, the language reference; `python-identifiers`, names in its library; or `stocks`."""
    symbol: str | list[str] | None = None
    """For `stocks`: AAPL, FB, GOOG, IBM or MSFT, or several of them; all by default."""


class SyntheticConfig(SourceConfig):
    """Simulated prices from a known process, so that it is known what can be forecast."""

    process: Literal["random_walk", "ar1", "garch"] = "random_walk"
    """Process of the log returns: `random_walk` makes them independent, with `ar1` they depend on the last
    return, and with `garch` their volatility does."""
    rows: int = Field(default=3000, ge=2)
    """Number of rows of each series."""
    sigma: float = Field(default=0.01, gt=0)
    """Standard deviation of the innovations of the log return; for `garch`, of the returns over the long
    run."""
    phi: float = Field(default=0.5, gt=-1, lt=1)
    """For `ar1`: the share of the last return in the next one."""
    symbols: int = Field(default=1, ge=1)
    """Number of series, each drawn independently."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the simulated prices."""


class PriceFileConfig(SourceConfig):
    """Prices from a CSV file of any broker."""

    path: DataPath
    """A CSV file, or one in `.gz`, `.bz2`, `.xz`, `.zst` or `.zip`; `seqkit inspect FILE` shows it."""
    panel: bool = False
    """Whether to read all symbols of the file."""


PricesConfig = create_model(
    "PricesConfig", __base__=PriceFileConfig, __doc__=PriceFileConfig.__doc__, **config_fields()
)


def _path_or_name(value: object, as_path: ValidatorFunctionWrapHandler) -> object:
    """A path is relative to the recipe's file; a name on the Hub is left unchanged."""
    from seqkit.sources.hub_request import looks_local

    path = as_path(value)
    return path if looks_local(str(value), there=path) else str(value)


def _file_of(value: object, as_path: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
    """A file for a loader is relative to the recipe's file; any other file is relative to the dataset."""
    from seqkit.sources.hub_request import LOADERS

    path = as_path(value)
    return path if info.data.get("path") in LOADERS and "://" not in str(value) else str(value)


DatasetPath = Annotated[DataPath, WrapValidator(_path_or_name)]
DatasetFile = Annotated[DataPath, WrapValidator(_file_of)]


class HubConfig(SourceConfig):
    """Hugging Face datasets: from the Hub, from files, from a folder, or saved by `save_to_disk`."""

    path: DatasetPath | list[DatasetPath]
    """A name on the Hub (`owner/name`), a file, a glob, a list of files or globs, a folder, or a loader
    (`json`) with `data_files`."""
    name: str | None = None
    """Name of the configuration, if the dataset has several."""
    split: dict[Literal["train", "validation", "test", "all"], str] | None = None
    """Which of the dataset's splits to use for what, as in `{train = "train[:90%]", validation = "dev"}`;
    `{all = "train"}` is one text, which `[data] split` divides."""
    column: str | None = None
    """Column of the text; by default the column `text`, or the only one with text."""
    data_files: DatasetFile | list[DatasetFile] | dict[str, DatasetFile | list[DatasetFile]] | None = None
    """Files to read from the folder or from the dataset on the Hub, or the files for the loader."""
    streaming: bool = False
    """Whether to read the data in place, without a copy in the cache of `datasets`."""
    revision: str | None = None
    """A branch, tag or commit on the Hub."""
    empty: Literal["keep", "drop"] | None = None
    """`keep` reads an empty row as a blank line, `drop` omits it; by default `keep` if rows are lines."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """Character between the cells of CSV files; by default a comma, and a tab in `.tsv` files."""
    encoding: str | None = None
    """Encoding of CSV, JSON and text files; by default UTF-8."""


class OneHotConfig(EncoderConfig):
    """A one-hot row for each id."""


class EmbeddingConfig(EncoderConfig):
    """A trained vector for each id; its size is `model.embedding_size` if a recipe names it by a string."""

    size: int = Field(default=64, ge=1)
    """Number of features of a vector."""


class RawConfig(EncoderConfig):
    """Numbers, unchanged."""


class LinearConfig(HeadConfig):
    """Logits over the vocabulary, from a linear layer."""


class NoHeadConfig(HeadConfig):
    """No layer: the outputs of the cell are the logits."""


class PointConfig(HeadConfig):
    """One number, trained with the squared error."""


class GaussianConfig(HeadConfig):
    """A normal distribution."""


class StudentTConfig(HeadConfig):
    """A Student's t distribution, whose tails are heavier."""


class QuantileConfig(HeadConfig):
    """Quantiles, trained with the CRPS."""


@hookimpl
def seqkit_cells() -> list[CellPlugin]:
    """The scratch RNN."""
    return [CellPlugin("rnn", RNNConfig, "seqkit.cells:RNN")]


@hookimpl
def seqkit_tokenizers() -> list[TokenizerPlugin]:
    """Characters and words."""
    return [
        TokenizerPlugin("char", CharConfig, "seqkit.tokenizers:CharTokenizer"),
        TokenizerPlugin("word", WordConfig, "seqkit.tokenizers:WordTokenizer"),
    ]


@hookimpl
def seqkit_sources() -> list[SourcePlugin]:
    """Text files, texts in memory, prices, simulated prices, samples and Hugging Face datasets."""
    return [
        SourcePlugin(
            "text", TextConfig, "seqkit.sources:TextFiles", reading=("encoding", "newlines", "on_error")
        ),
        SourcePlugin("strings", StringsConfig, "seqkit.sources:Strings"),
        SourcePlugin(
            "prices",
            PricesConfig,
            "seqkit.sources.prices:open_prices",
            gives=SERIES,
            reading=(
                "symbol",
                "panel",
                "price",
                "date_format",
                "date",
                "symbol_column",
                "decimal",
                "delimiter",
            ),
        ),
        SourcePlugin("synthetic", SyntheticConfig, "seqkit.sources.synthetic:Synthetic"),
        SourcePlugin(
            "samples",
            SamplesConfig,
            "seqkit.sources.samples:open_sample",
            gives=lambda config: SERIES if config.name == "stocks" else TEXT,
        ),
        SourcePlugin(
            "hf",
            HubConfig,
            "seqkit.sources.hub:HubDataset",
            reading=("column", "streaming", "empty", "delimiter", "encoding"),
        ),
    ]


@hookimpl
def seqkit_recipes() -> list[RecipePlugin]:
    """The recipes that come with seqkit."""
    return [RecipePlugin(path.stem, path) for path in sorted(RECIPES.glob("*.toml"))]


@hookimpl
def seqkit_encoders() -> list[EncoderPlugin]:
    """One-hot rows, trained vectors, and unchanged numbers."""
    return [
        EncoderPlugin("one_hot", OneHotConfig, "seqkit.encoders:OneHot"),
        EncoderPlugin("embedding", EmbeddingConfig, "seqkit.encoders:embedding"),
        EncoderPlugin("raw", RawConfig, "seqkit.encoders:Raw"),
    ]


@hookimpl
def seqkit_heads() -> list[HeadPlugin]:
    """Heads over a vocabulary, and heads for numbers."""
    return [
        HeadPlugin("linear", LinearConfig, "seqkit.heads.named:linear_head"),
        HeadPlugin("none", NoHeadConfig, "seqkit.heads.named:no_head"),
        HeadPlugin("point", PointConfig, "seqkit.heads:PointHead"),
        HeadPlugin("gaussian", GaussianConfig, "seqkit.heads:GaussianHead"),
        HeadPlugin("student_t", StudentTConfig, "seqkit.heads:StudentTHead"),
        HeadPlugin("quantile", QuantileConfig, "seqkit.heads:QuantileHead"),
    ]


@hookimpl
def seqkit_tasks() -> list[TaskPlugin]:
    """Text and series."""
    return [
        TaskPlugin(
            "text",
            source=TEXT,
            target="seqkit.tasks.text:TextTask",
            encoders=("one_hot", "embedding"),
            heads=("linear", "none"),
            tables={"data": DataConfig, "sample": SampleConfig},
            components={"tokenizer": "char"},
            run="seqkit.run.text:TextRun",
            report="seqkit.cli.text:TextReport",
            choose_source="seqkit.sources.choosing:choose_source",
        ),
        TaskPlugin(
            "series",
            source=SERIES,
            target="seqkit.tasks.series:SeriesTask",
            encoders=("raw",),
            heads=("student_t", "gaussian", "point", "quantile"),
            tables={"series": SeriesConfig},
            run="seqkit.run.series:SeriesRun",
            report="seqkit.cli.series:SeriesReport",
            choose_source="seqkit.sources.choosing:choose_prices",
            seeds=5,
        ),
    ]
