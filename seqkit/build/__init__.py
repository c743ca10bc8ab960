"""From a resolved recipe to the objects that it describes."""

from seqkit.build.components import (
    choose_device,
    constructed,
    make_model,
    make_training,
    open_source,
    outline_model,
    process_for,
    resolved,
)
from seqkit.build.series import SeriesData, open_series, prepare, prepare_series_data, price_file
from seqkit.build.text import (
    EVALUATION_LANES,
    TextData,
    open_other,
    open_text,
    open_tokenizer,
    prepare_text,
    split_text,
    tokenised,
)

__all__ = [
    "EVALUATION_LANES",
    "SeriesData",
    "TextData",
    "choose_device",
    "constructed",
    "make_model",
    "make_training",
    "open_other",
    "open_series",
    "open_source",
    "open_text",
    "open_tokenizer",
    "outline_model",
    "prepare",
    "prepare_series_data",
    "prepare_text",
    "price_file",
    "process_for",
    "resolved",
    "split_text",
    "tokenised",
]
