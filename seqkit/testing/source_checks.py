"""What the contract of a source of text says, check by check."""

from __future__ import annotations

from itertools import islice

from seqkit.errors import SeqkitError
from seqkit.sources.base import MAX_PIECE_BYTES, Piece
from seqkit.testing.cases import SourceCase
from seqkit.testing.kit import CheckFailedError, CheckList, require

SOURCE_CHECKS: CheckList[SourceCase] = CheckList()
check = SOURCE_CHECKS.check


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


@check
def check_pieces(case: SourceCase) -> None:
    """Every piece is a Piece with text in it, of at most 1 MiB in UTF-8."""
    source = case.open()
    for split in source.splits:
        for piece in source.pieces(split):
            require(isinstance(piece, Piece), f"pieces gives {type(piece).__name__}")
            require(isinstance(piece.text, str) and piece.text, f"a piece holds {piece.text!r}")
            size = len(piece.text.encode("utf-8", "surrogatepass"))
            require(size <= MAX_PIECE_BYTES, f"a piece of {size:,} bytes")


@check
def check_documents_end(case: SourceCase) -> None:
    """The last piece of every split ends a document."""
    source = case.open()
    for split in source.splits:
        pieces = list(source.pieces(split))
        require(pieces, f"the split {split!r} has no text")
        require(pieces[-1].ends_document, f"the split {split!r} ends in the middle of a document")


@check
def check_documents_are_the_pieces_joined(case: SourceCase) -> None:
    """The documents are the pieces, joined where no document ends."""
    source = case.open()
    for split in source.splits:
        joined = "".join(piece.text for piece in source.pieces(split))
        require("".join(source.documents(split)) == joined, f"the documents of {split!r} are another text")
        ends = sum(piece.ends_document for piece in source.pieces(split))
        require(len(list(source.documents(split))) == ends, f"there are not {ends} documents in {split!r}")


@check
def check_readable_again(case: SourceCase) -> None:
    """It can be read again from the start, also after it was read in part."""
    source = case.open()
    for split in source.splits:
        first = list(source.pieces(split))
        require(list(source.pieces(split)) == first, f"read again, the split {split!r} differs")
        list(islice(source.pieces(split), 1))
        require(list(source.pieces(split)) == first, f"after a partial read, the split {split!r} differs")


@check
def check_two_readers(case: SourceCase) -> None:
    """Two readers at once do not disturb each other."""
    source = case.open()
    split = source.splits[0]
    expected = list(source.pieces(split))
    together = list(zip(source.pieces(split), source.pieces(split), strict=True))
    require(together == [(piece, piece) for piece in expected], "two readers take pieces from each other")


@check
def check_deterministic(case: SourceCase) -> None:
    """Opened twice with the same config it gives the same text and the same fingerprint."""
    first, second = case.open(), case.open()
    for split in first.splits:
        same = list(first.pieces(split)) == list(second.pieces(split))
        require(same, f"opened again, the split {split!r} differs")
    require(first.fingerprint == second.fingerprint, "opened again, it has another fingerprint")


@check
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
        list(source.pieces("no such split"))
    except SeqkitError as error:
        require(str(error), "the error has no message")
        return
    raise CheckFailedError("a split that is not there gives text, and no error")


@check
def check_missing_data(case: SourceCase) -> None:
    """Data that is not there is an error of seqkit's, with a message."""
    try:
        source = case.open_missing()
        list(source.pieces(source.splits[0]))
    except CheckFailedError:
        raise
    except SeqkitError as error:
        require(len(str(error)) > 10, f"the message is {str(error)!r}")
        return
    raise CheckFailedError("missing data gives text, and no error")


@check
def check_fingerprint_is_stable(case: SourceCase) -> None:
    """Reading does not change the fingerprint, which is a string that is not empty."""
    source = case.open()
    before = source.fingerprint
    require(isinstance(before, str) and before, f"the fingerprint is {before!r}")
    for split in source.splits:
        list(source.pieces(split))
    require(source.fingerprint == before, "reading changes the fingerprint")


@check
def check_fingerprint_follows_the_data(case: SourceCase) -> None:
    """When the data changes, so does the fingerprint. This check runs last, for it changes the data."""
    before = case.open().fingerprint
    case.change()
    require(case.open().fingerprint != before, "the data has changed, and the fingerprint has not")
