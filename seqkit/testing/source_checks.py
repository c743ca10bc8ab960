"""Checks of a source's contract."""

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
    require(
        not missing,
        "every field of the config must be a keyword of the constructor, which lacks: "
        f"{', '.join(missing)}.\n  Add these parameters to __init__, or remove the fields from the config.",
    )


@check
def check_splits(case: SourceCase) -> None:
    """Its splits are `("all",)`, or some of train, validation and test, including train."""
    splits = case.open().splits
    require(
        isinstance(splits, tuple) and splits,
        f"splits must be a non-empty tuple, got {splits!r}.\n"
        '  Use ("all",), or some of ("train", "validation", "test").',
    )
    known = {"train", "validation", "test"}
    good = splits == ("all",) or (
        "train" in splits and set(splits) <= known and len(set(splits)) == len(splits)
    )
    require(
        good,
        'splits must be ("all",), or some of "train", "validation" and "test", each once, including "train"; '
        f"got {splits!r}.\n  Use these names in splits.",
    )


@check_text
def check_pieces(case: SourceCase) -> None:
    """Every piece is a Piece with a non-empty text of at most 1 MiB in UTF-8."""
    source = case.open()
    for split in source.splits:
        for piece in source.pieces(split):
            require(
                isinstance(piece, Piece),
                f"pieces must yield Piece objects, got {type(piece).__name__}.\n"
                "  Use seqkit.plugin.cut_document to make them from a text.",
            )
            require(
                isinstance(piece.text, str) and piece.text,
                f"the text of a piece must be a non-empty str, got {piece.text!r}.\n"
                "  Use seqkit.plugin.cut_document to make the pieces, and leave out empty documents.",
            )
            size = len(piece.text.encode("utf-8", "surrogatepass"))
            require(
                size <= MAX_PIECE_BYTES,
                f"a piece has {size:,} bytes in UTF-8; at most 1 MiB is allowed.\n"
                "  Use seqkit.plugin.cut_document to cut a text into pieces.",
            )


@check_text
def check_documents_end(case: SourceCase) -> None:
    """The last piece of every split ends a document."""
    source = case.open()
    for split in source.splits:
        pieces = list(source.pieces(split))
        require(
            pieces,
            f"the split {split!r} has no pieces; every split must have text.\n"
            "  Leave an empty split out of splits, or run the check with data that fills it.",
        )
        require(
            pieces[-1].ends_document,
            f"the last piece of the split {split!r} must have ends_document = True, got False.\n"
            "  Use seqkit.plugin.cut_document, which sets it at the end of each document.",
        )


@check_text
def check_documents_are_the_pieces_joined(case: SourceCase) -> None:
    """The documents are the pieces, joined up to the end of each document."""
    source = case.open()
    for split in source.splits:
        joined = "".join(piece.text for piece in source.pieces(split))
        require(
            "".join(source.documents(split)) == joined,
            f"the documents of the split {split!r} must have the same text as its pieces, but differ.\n"
            "  Do not override documents: the default joins the pieces.",
        )
        ends = sum(piece.ends_document for piece in source.pieces(split))
        require(
            len(list(source.documents(split))) == ends,
            f"there must be {ends} documents, one per piece with ends_document, in the split {split!r}.\n"
            "  Do not override documents: the default joins the pieces.",
        )


@check_series
def check_each_is_a_series(case: SourceCase) -> None:
    """Every series is a Series of dates, float64 features and their names; no two have the same name."""
    source = case.open()
    for split in source.splits:
        found = list(source.series(split))
        require(
            found,
            f"the split {split!r} has no series; every split must have one.\n"
            "  Leave an empty split out of splits, or run the check with data that fills it.",
        )
        for series in found:
            require(
                isinstance(series, Series),
                f"series must yield Series objects, got {type(series).__name__}.\n"
                "  Yield Series(name, dates, values, columns).",
            )
            time, features = len(series.dates), len(series.columns)
            good = np.issubdtype(series.dates.dtype, np.datetime64) and series.dates.shape == (time,)
            require(
                good,
                f"{series.name}: dates must be datetime64 of shape (time,), got {series.dates.dtype} "
                f"of shape {series.dates.shape}.\n"
                "  Convert them, for instance with dates.astype('datetime64[s]').",
            )
            good = series.values.dtype == np.float64 and series.values.shape == (time, features)
            require(
                good,
                f"{series.name}: values must be float64 of shape (time, features), got {series.values.dtype} "
                f"of shape {series.values.shape}.\n"
                "  Convert them, with one row per date and one column per name in columns.",
            )
            require(
                len(set(series.columns)) == features,
                f"{series.name}: the columns must have different names, got {series.columns}.\n"
                "  Rename the columns.",
            )
        names = [series.name for series in found]
        require(
            len(set(names)) == len(names),
            f"the series of the split {split!r} must have different names, got {names}.\n"
            "  Give each series a name of its own.",
        )


@check_series
def check_dates_ascend(case: SourceCase) -> None:
    """The dates of every series ascend, and none occurs twice."""
    source = case.open()
    for split in source.splits:
        for series in source.series(split):
            good = np.all(series.dates[1:] > series.dates[:-1])
            require(
                good and not np.isnat(series.dates).any(),
                f"the dates of {series.name} must ascend, without repeated or missing dates (NaT).\n"
                "  Sort the rows by date, and drop repeated ones.",
            )


@check_series
def check_values_are_finite(case: SourceCase) -> None:
    """The first feature of every series is finite in every row, and no other is infinite."""
    source = case.open()
    for split in source.splits:
        for series in source.series(split):
            good = np.isfinite(series.values[:, 0]).all() and not np.isinf(series.values).any()
            require(
                good,
                f"{series.name} has a value that is not finite: the first feature must be finite in "
                "every row, and no other may be infinite.\n"
                "  Leave such rows out; missing values of other features are NaN.",
            )


@check
def check_readable_again(case: SourceCase) -> None:
    """It can be read again from the start, also after a partial read."""
    source = case.open()
    for split in source.splits:
        first = list(case.read(source, split))
        require(
            list(case.read(source, split)) == first,
            f"the split {split!r} must give the same data when it is read again, but it differs.\n"
            "  Open the data in each call, instead of storing an iterator or an open file.",
        )
        list(islice(case.read(source, split), 1))
        require(
            list(case.read(source, split)) == first,
            f"the split {split!r} must give the same data after a partial read, but it differs.\n"
            "  Open the data in each call, instead of storing an iterator or an open file.",
        )


@check
def check_two_readers(case: SourceCase) -> None:
    """Two readers at the same time do not disturb each other."""
    source = case.open()
    split = source.splits[0]
    expected = list(case.read(source, split))
    together = list(zip(case.read(source, split), case.read(source, split), strict=True))
    require(
        together == [(piece, piece) for piece in expected],
        "two readers at the same time must each get all of the data, but they get other data.\n"
        "  Open the data in each call, instead of storing an iterator or an open file.",
    )


@check
def check_deterministic(case: SourceCase) -> None:
    """Two sources with the same config give the same data and the same fingerprint."""
    first, second = case.open(), case.open()
    for split in first.splits:
        same = list(case.read(first, split)) == list(case.read(second, split))
        require(
            same,
            f"the split {split!r} must give the same data when the source is opened again, but it differs.\n"
            "  Do not shuffle or sample the data, or do it with a fixed seed.",
        )
    require(
        first.fingerprint == second.fingerprint,
        "the fingerprint must be the same when the source is opened again, but it differs.\n"
        "  Compute it from the data and the config alone, without times, random numbers or id().",
    )


@check_text
def check_splits_are_disjoint(case: SourceCase) -> None:
    """No document occurs in two splits."""
    source = case.open()
    seen: dict[str, str] = {}
    for split in source.splits:
        for document in set(source.documents(split)):
            require(
                document not in seen,
                f"a document occurs in the splits {seen.get(document)!r} and {split!r}, expected one.\n"
                "  Remove repeated documents before splitting.",
            )
            seen[document] = split


@check
def check_unknown_split(case: SourceCase) -> None:
    """An unknown split raises an error of seqkit with a message."""
    source = case.open()
    try:
        list(case.read(source, "no such split"))
    except SeqkitError as error:
        require(
            str(error),
            "the error for an unknown split must have a message, but it is empty.\n"
            "  Name the unknown split and the known ones in it.",
        )
        return
    raise CheckFailedError(
        "reading an unknown split must raise an error, but it raises none.\n"
        "  Raise seqkit.plugin.SourceError if split is not in self.splits."
    )


@check
def check_missing_data(case: SourceCase) -> None:
    """Missing data raises an error of seqkit with a message."""
    try:
        source = case.open_missing()
        list(case.read(source, source.splits[0]))
    except CheckFailedError:
        raise
    except SeqkitError as error:
        require(
            len(str(error)) > 10,
            f"the error for missing data must say what is missing, but its message is {str(error)!r}.\n"
            "  Name the file or the data in the message.",
        )
        return
    raise CheckFailedError(
        "opening or reading missing data must raise an error, but it raises none.\n"
        "  Raise seqkit.plugin.SourceError if the data is missing."
    )


@check
def check_fingerprint_is_stable(case: SourceCase) -> None:
    """The fingerprint is a non-empty string, and reading does not change it."""
    source = case.open()
    before = source.fingerprint
    require(
        isinstance(before, str) and before,
        f"the fingerprint must be a non-empty str, got {before!r}.\n"
        "  Return a hash of the data, for instance hashlib.sha256(...).hexdigest().",
    )
    for split in source.splits:
        list(case.read(source, split))
    require(
        source.fingerprint == before,
        "reading the source changes its fingerprint, which must stay the same.\n"
        "  Compute it from the data and the config alone, not from what was read.",
    )


@check
def check_fingerprint_follows_the_data(case: SourceCase) -> None:
    """If the data changes, so does the fingerprint. This check runs last because it changes the data."""
    before = case.open().fingerprint
    case.change()
    require(
        case.open().fingerprint != before,
        "the fingerprint must change if the data changes, but it stayed the same.\n"
        "  Compute it from the contents of the data, not only from the config.",
    )
