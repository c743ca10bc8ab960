"""What the contract of a source says, check by check."""

from __future__ import annotations

from itertools import islice

import numpy as np

from seqkit.errors import SeqkitError
from seqkit.sources.base import MAX_PIECE_BYTES, Piece, Series
from seqkit.testing.cases import SourceCase
from seqkit.testing.kit import CheckFailedError, CheckList, require

SOURCE_CHECKS: CheckList[SourceCase] = CheckList()
check = SOURCE_CHECKS.check
check_text = SOURCE_CHECKS.where(lambda case: not case.is_series)
check_series = SOURCE_CHECKS.where(lambda case: case.is_series)


@check
def check_config_fields_are_keywords(case: SourceCase) -> None:
    """Every field of the config is a keyword of the constructor."""
    missing = case.missing_keywords()
    require(not missing, f"the constructor has no keyword {', '.join(missing)}")


@check
def check_splits(case: SourceCase) -> None:
    """Its splits are `("all",)`, or some of train, validation and test, train among them."""
    splits = case.open().splits
    require(isinstance(splits, tuple) and splits, f"splits is {splits!r}")
    known = {"train", "validation", "test"}
    good = splits == ("all",) or (
        "train" in splits and set(splits) <= known and len(set(splits)) == len(splits)
    )
    require(good, f"splits is {splits!r}")


@check_text
def check_pieces(case: SourceCase) -> None:
    """Every piece is a Piece with text in it, of at most 1 MiB in UTF-8."""
    source = case.open()
    for split in source.splits:
        for piece in source.pieces(split):
            require(isinstance(piece, Piece), f"pieces gives {type(piece).__name__}")
            require(isinstance(piece.text, str) and piece.text, f"a piece holds {piece.text!r}")
            size = len(piece.text.encode("utf-8", "surrogatepass"))
            require(size <= MAX_PIECE_BYTES, f"a piece of {size:,} bytes")


@check_text
def check_documents_end(case: SourceCase) -> None:
    """The last piece of every split ends a document."""
    source = case.open()
    for split in source.splits:
        pieces = list(source.pieces(split))
        require(pieces, f"the split {split!r} has no text")
        require(pieces[-1].ends_document, f"the split {split!r} ends in the middle of a document")


@check_text
def check_documents_are_the_pieces_joined(case: SourceCase) -> None:
    """The documents are the pieces, joined where no document ends."""
    source = case.open()
    for split in source.splits:
        joined = "".join(piece.text for piece in source.pieces(split))
        require("".join(source.documents(split)) == joined, f"the documents of {split!r} are another text")
        ends = sum(piece.ends_document for piece in source.pieces(split))
        require(len(list(source.documents(split))) == ends, f"there are not {ends} documents in {split!r}")


@check_series
def check_each_is_a_series(case: SourceCase) -> None:
    """Every series is a Series: dates, float64 features and their names; no two are called alike."""
    source = case.open()
    for split in source.splits:
        found = list(source.series(split))
        require(found, f"the split {split!r} has no series")
        for series in found:
            require(isinstance(series, Series), f"series gives {type(series).__name__}")
            time, features = len(series.dates), len(series.columns)
            good = np.issubdtype(series.dates.dtype, np.datetime64) and series.dates.shape == (time,)
            require(good, f"{series.name}: the dates are {series.dates.dtype}, {series.dates.shape}")
            good = series.values.dtype == np.float64 and series.values.shape == (time, features)
            require(good, f"{series.name}: the values are {series.values.dtype}, {series.values.shape}")
            require(len(set(series.columns)) == features, f"{series.name}: the columns are {series.columns}")
        names = [series.name for series in found]
        require(len(set(names)) == len(names), f"two series of {split!r} have one name: {names}")


@check_series
def check_dates_ascend(case: SourceCase) -> None:
    """The dates of every series ascend, and none stands twice."""
    source = case.open()
    for split in source.splits:
        for series in source.series(split):
            good = np.all(series.dates[1:] > series.dates[:-1])
            require(good and not np.isnat(series.dates).any(), f"the dates of {series.name} do not ascend")


@check_series
def check_values_are_finite(case: SourceCase) -> None:
    """The first feature of every series is finite in every row, and no other is infinite."""
    source = case.open()
    for split in source.splits:
        for series in source.series(split):
            good = np.isfinite(series.values[:, 0]).all() and not np.isinf(series.values).any()
            require(good, f"{series.name} has a value that is not finite")


@check
def check_readable_again(case: SourceCase) -> None:
    """It can be read again from the start, also after it was read in part."""
    source = case.open()
    for split in source.splits:
        first = list(case.read(source, split))
        require(list(case.read(source, split)) == first, f"read again, the split {split!r} differs")
        list(islice(case.read(source, split), 1))
        require(list(case.read(source, split)) == first, f"after a partial read, the split {split!r} differs")


@check
def check_two_readers(case: SourceCase) -> None:
    """Two readers at once do not disturb each other."""
    source = case.open()
    split = source.splits[0]
    expected = list(case.read(source, split))
    together = list(zip(case.read(source, split), case.read(source, split), strict=True))
    require(together == [(piece, piece) for piece in expected], "two readers take from each other")


@check
def check_deterministic(case: SourceCase) -> None:
    """Opened twice with the same config it gives the same data and the same fingerprint."""
    first, second = case.open(), case.open()
    for split in first.splits:
        same = list(case.read(first, split)) == list(case.read(second, split))
        require(same, f"opened again, the split {split!r} differs")
    require(first.fingerprint == second.fingerprint, "opened again, it has another fingerprint")


@check_text
def check_splits_are_disjoint(case: SourceCase) -> None:
    """No document stands in two splits."""
    source = case.open()
    seen: dict[str, str] = {}
    for split in source.splits:
        for document in set(source.documents(split)):
            require(document not in seen, f"a document stands in {seen.get(document)!r} and in {split!r}")
            seen[document] = split


@check
def check_unknown_split(case: SourceCase) -> None:
    """A split that is not there is an error of seqkit's, with a message."""
    source = case.open()
    try:
        list(case.read(source, "no such split"))
    except SeqkitError as error:
        require(str(error), "the error has no message")
        return
    raise CheckFailedError("a split that is not there gives data, and no error")


@check
def check_missing_data(case: SourceCase) -> None:
    """Data that is not there is an error of seqkit's, with a message."""
    try:
        source = case.open_missing()
        list(case.read(source, source.splits[0]))
    except CheckFailedError:
        raise
    except SeqkitError as error:
        require(len(str(error)) > 10, f"the message is {str(error)!r}")
        return
    raise CheckFailedError("missing data gives something, and no error")


@check
def check_fingerprint_is_stable(case: SourceCase) -> None:
    """Reading does not change the fingerprint, which is a string that is not empty."""
    source = case.open()
    before = source.fingerprint
    require(isinstance(before, str) and before, f"the fingerprint is {before!r}")
    for split in source.splits:
        list(case.read(source, split))
    require(source.fingerprint == before, "reading changes the fingerprint")


@check
def check_fingerprint_follows_the_data(case: SourceCase) -> None:
    """When the data changes, so does the fingerprint. This check runs last, for it changes the data."""
    before = case.open().fingerprint
    case.change()
    require(case.open().fingerprint != before, "the data has changed, and the fingerprint has not")
