"""Checks of a tokenizer's contract."""

from __future__ import annotations

import inspect
import json
import random

import numpy as np

from seqkit.errors import ContractError
from seqkit.testing.cases import TokenizerCase
from seqkit.testing.kit import CheckList, require
from seqkit.tokenizers import Tokenizer
from seqkit.tokenizers.base import REPLACEMENT, Ids

TOKENIZER_CHECKS: CheckList[TokenizerCase] = CheckList()
check = TOKENIZER_CHECKS.check

STRANGE = (
    "\0 NUL",
    "☃ snow",
    "é and e\u0301",
    "العربية עברית",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "\u2028\u2029\x85\r\n\r",
    "a\ufffdb",
    "\ue000\U0010ffff",
    "ﬁ ǅ ẞ İ",
    " " * 50,
    "x" * 500,
)
"""Unusual Unicode, without lone surrogates: those are not valid text, and many libraries refuse them."""


@check
def check_config_fields_are_keywords(case: TokenizerCase) -> None:
    """Every field of the config is a keyword of `train`."""
    missing = case.missing_keywords()
    require(
        not missing,
        f"every field of the config must be a keyword of train, which lacks: {', '.join(missing)}.\n"
        "  Add these parameters to train, or remove the fields from the config.",
    )


@check
def check_round_trip(case: TokenizerCase) -> None:
    """Encoding and decoding the training text gives it back unchanged, and so for each line of it."""
    tokenizer = case.train()
    for text in (case.text, *case.text.splitlines(keepends=True)):
        back = tokenizer.decode(tokenizer.encode(text))
        require(
            back == text,
            f"expected {_short(text)} back from decode(encode(text)), got {_short(back)}.\n"
            "  Give every character of the training text a token, and change no character when encoding.",
        )


@check
def check_ids_are_small_unsigned_numbers(case: TokenizerCase) -> None:
    """Ids are a 1-D array of the smallest unsigned dtype for the vocabulary, all below its size."""
    tokenizer = case.train()
    smallest = np.min_scalar_type(max(tokenizer.vocab_size - 1, 0))
    for text in (case.text, *STRANGE):
        ids = tokenizer.encode(text)
        require(
            isinstance(ids, np.ndarray) and ids.ndim == 1,
            f"encode must return a 1-D NumPy array, got {type(ids).__name__}.\n"
            "  Return np.array(ids, dtype=self.dtype).",
        )
        require(
            ids.dtype == smallest,
            f"the ids have the dtype {ids.dtype}, expected {smallest} for {tokenizer.vocab_size} ids.\n"
            "  Return np.array(ids, dtype=self.dtype).",
        )
        require(
            not len(ids) or int(ids.max()) < tokenizer.vocab_size,
            f"an id is {ids.max()}; every id must be below vocab_size.\n"
            "  Set vocab_size to the largest id plus 1.",
        )


@check
def check_any_unicode(case: TokenizerCase) -> None:
    """It can encode any text, and gives a text without unknown tokens back unchanged."""
    tokenizer = case.train()
    for text in STRANGE:
        ids = tokenizer.encode(text)
        back = tokenizer.decode(ids)
        if tokenizer.unknown_id is None or not np.any(ids == tokenizer.unknown_id):
            require(
                back == text,
                f"{_short(text)} has no unknown token, but decode(encode(text)) gives {_short(back)}.\n"
                "  Encode what cannot be given back as unknown_id.",
            )


@check
def check_empty_text(case: TokenizerCase) -> None:
    """The empty text has no ids, and no ids decode to the empty text."""
    tokenizer = case.train()
    require(
        len(tokenizer.encode("")) == 0,
        'encode("") must return no ids, but it returns some.\n'
        "  Do not add a token at the start or the end of a text.",
    )
    require(
        tokenizer.decode([]) == "",
        'decode([]) must return "", but it returns other text.\n  Do not add text at the start or the end.',
    )


@check
def check_decode_takes_lists_and_arrays(case: TokenizerCase) -> None:
    """`decode` takes a list of numbers and an array of any integer dtype."""
    tokenizer = case.train()
    ids = tokenizer.encode(case.text)
    for same in (ids.tolist(), ids.astype(np.int64), tuple(ids)):
        require(
            tokenizer.decode(same) == tokenizer.decode(ids),
            f"decode must give the same text for the ids in any form, but not for a {type(same).__name__}.\n"
            "  Convert each id with int(...).",
        )


@check
def check_unknown_id(case: TokenizerCase) -> None:
    """The unknown token, if there is one, is in range and decodes to U+FFFD."""
    tokenizer = case.train()
    unknown = tokenizer.unknown_id
    if unknown is None:
        for text in STRANGE:
            back = tokenizer.decode(tokenizer.encode(text))
            require(
                back == text,
                f"unknown_id is None, so {_short(text)} must be given back unchanged, got {_short(back)}.\n"
                "  Set unknown_id, and encode what cannot be given back as that id.",
            )
        return
    require(
        0 <= unknown < tokenizer.vocab_size,
        f"unknown_id must be at least 0 and below vocab_size, got {unknown}.\n"
        "  Correct unknown_id or vocab_size.",
    )
    decoded = tokenizer.decode([unknown])
    require(
        decoded == REPLACEMENT,
        f"unknown_id must decode to U+FFFD, got {decoded!r}.\n  Make the text of this token U+FFFD.",
    )


@check
def check_unknown_characters(case: TokenizerCase) -> None:
    """It counts the characters that its ids do not represent; the training text has none."""
    tokenizer = case.train()
    count = tokenizer.unknown_characters(case.text, tokenizer.encode(case.text))
    require(
        count == 0,
        f"no character of the training text may be unknown, but {count} are.\n"
        "  Give every character of the training text a token, or correct unknown_characters.",
    )
    for text in STRANGE:
        count = tokenizer.unknown_characters(text, tokenizer.encode(text))
        require(
            0 <= count <= len(text),
            f"unknown_characters returns {count} for the {len(text)} characters of {_short(text)}.\n"
            "  Return a number from 0 to the number of characters.",
        )


@check
def check_special_ids(case: TokenizerCase) -> None:
    """The start token and the token of the end of a document are in range."""
    tokenizer = case.train()
    for name, value in (("start_id", tokenizer.start_id), ("end_id", tokenizer.end_id)):
        require(
            value is None or 0 <= value < tokenizer.vocab_size,
            f"{name} must be None, or at least 0 and below vocab_size; got {value}.\n"
            "  Correct this id or vocab_size.",
        )
    require(
        tokenizer.end_id is None or tokenizer.end_id != tokenizer.unknown_id,
        "end_id and unknown_id must differ, but they are the same id.\n"
        "  Give the end of a document a token of its own, or set end_id to None.",
    )


@check
def check_deterministic(case: TokenizerCase) -> None:
    """The same documents give the same tokenizer, and the same text the same ids."""
    first, second = case.train(), case.train()
    require(
        first.fingerprint == second.fingerprint,
        "two tokenizers trained on the same texts must have the same fingerprint, but they differ.\n"
        "  Train without random numbers and without the order of a set; sort tokens of equal count.",
    )
    require(
        _same(first.encode(case.text), second.encode(case.text)),
        "two tokenizers trained on the same texts must give the same ids, but they differ.\n"
        "  Train without random numbers and without the order of a set; sort tokens of equal count.",
    )
    require(
        _same(first.encode(case.text), first.encode(case.text)),
        "encoding the same text twice must give the same ids, but they differ.\n"
        "  Encode without random numbers, and do not store anything between calls.",
    )


@check
def check_json_round_trip(case: TokenizerCase) -> None:
    """Saving it as JSON and loading it gives the same mapping, with the same special ids."""
    tokenizer = case.train()
    again = case.target.from_json(json.loads(json.dumps(tokenizer.to_json())))
    for text in (case.text, *STRANGE):
        require(
            _same(tokenizer.encode(text), again.encode(text)),
            f"after to_json and from_json, {_short(text)} must have the same ids, but they differ.\n"
            "  Write everything that encode depends on in to_json.",
        )
    for name in ("vocab_size", "unknown_id", "end_id", "start_id", "fingerprint"):
        ours, theirs = getattr(tokenizer, name), getattr(again, name)
        require(
            ours == theirs,
            f"after to_json and from_json, expected {name} = {ours!r}, got {theirs!r}.\n"
            "  Write everything that it depends on in to_json, and restore it in from_json.",
        )


@check
def check_fingerprint_tells_mappings_apart(case: TokenizerCase) -> None:
    """A tokenizer that maps a text to other ids has another fingerprint."""
    tokenizer = case.train()
    other = case.train(["zyxw " * 40 + "\n", "0987 6543\n" * 40, "zyxw 0987\n" * 40])
    texts = (case.text, "zyxw 0987 " * 9, *STRANGE)
    if all(_same(tokenizer.encode(text), other.encode(text)) for text in texts):
        return  # the mapping does not depend on the training text
    require(
        tokenizer.fingerprint != other.fingerprint,
        "two tokenizers that encode a text differently must have different fingerprints, but have the same.\n"
        "  Do not override fingerprint: the default is a hash of to_json().",
    )


@check
def check_safe_cut(case: TokenizerCase) -> None:
    """Two halves of a text, cut at `safe_cut`, encode to the same ids as the whole, for any text after it."""
    tokenizer = case.train()
    numbers = random.Random(0)
    for text in (case.text, *STRANGE, "".join(STRANGE), case.text + "".join(STRANGE)):
        whole = tokenizer.encode(text)
        for _ in range(12):
            known = text[: numbers.randrange(len(text) + 1)]
            cut = tokenizer.safe_cut(known)
            require(
                0 <= cut <= len(known),
                f"safe_cut returns {cut} for a text of {len(known)} characters.\n"
                "  Return a position in the text: 0 is always correct.",
            )
            halves = np.concatenate([tokenizer.encode(text[:cut]), tokenizer.encode(text[cut:])])
            require(
                _same(halves, whole),
                f"cut at safe_cut = {cut}, {_short(text)} must have the ids of the whole, but differs.\n"
                "  Return an earlier position, which no token reaches across: 0 is always correct.",
            )


@check
def check_text_in_pieces(case: TokenizerCase) -> None:
    """Text that arrives in pieces of any size has the same ids as the whole."""
    tokenizer = case.train()
    numbers = random.Random(1)
    text = case.text + "".join(STRANGE)
    for _ in range(8):
        pieces, rest = [], text
        while rest:
            size = numbers.choice((1, 2, 7, 40))
            pieces.append(rest[:size])
            rest = rest[size:]
        parts = list(tokenizer.encode_stream(pieces))
        require(
            "".join(part for part, _ in parts) == text,
            "the texts that encode_stream yields, joined, must be the whole text, but differ.\n"
            "  Do not override encode_stream, or yield every character once and in order.",
        )
        joined = np.concatenate([ids for _, ids in parts])
        require(
            _same(joined, tokenizer.encode(text)),
            "encode_stream must give the same ids for pieces as encode for the whole text, but differs.\n"
            "  Correct safe_cut, or do not override encode_stream.",
        )


@check
def check_streaming_decoder(case: TokenizerCase) -> None:
    """The pieces of the streaming decoder, joined, are the result of `decode`, for any ids."""
    tokenizer = case.train()
    numbers = random.Random(2)
    streams = [tokenizer.encode(text).tolist() for text in (case.text, *STRANGE)]
    streams += [[numbers.randrange(tokenizer.vocab_size) for _ in range(60)] for _ in range(8)]
    for ids in streams:
        decoder = tokenizer.decoder()
        pieces = [decoder.push(token) for token in ids]
        joined = "".join(pieces) + decoder.flush()
        expected = tokenizer.decode(ids)
        require(
            joined == expected,
            f"the pieces of decoder(), joined, are {_short(joined)}, and decode gives {_short(expected)}; "
            "both must be the same.\n"
            "  Correct push or flush of the decoder, or do not override decoder.",
        )


@check
def check_streamed_pieces_are_text(case: TokenizerCase) -> None:
    """No piece of the streaming decoder holds half a character."""
    tokenizer = case.train()
    for line in case.text.splitlines(keepends=True):
        decoder = tokenizer.decoder()
        pieces = [*map(decoder.push, tokenizer.encode(line).tolist()), decoder.flush()]
        broken = [piece for piece in pieces if REPLACEMENT in piece]
        require(
            not broken or REPLACEMENT in line,
            f"no piece of decoder() may hold part of a character, but {_short(line)} is streamed as "
            f"{pieces!r}.\n  Let push keep incomplete characters until the next token.",
        )


@check
def check_extension_keeps_ids(case: TokenizerCase) -> None:
    """`extended`, if there is one, keeps every id, and it is saved with the added tokens."""
    tokenizer, other = case.train(), case.train(STRANGE)
    try:
        extended = tokenizer.extended(other)
    except ContractError:
        return  # it cannot be extended
    require(
        _same(extended.encode(case.text), tokenizer.encode(case.text)),
        "extended must keep the ids of the training text, but they differ.\n"
        "  Put the added tokens after all others.",
    )
    saved = type(extended).from_json(json.loads(json.dumps(extended.to_json())))
    require(
        all(_same(saved.encode(text), extended.encode(text)) for text in STRANGE),
        "an extended tokenizer must be the same after to_json and from_json, but its ids differ.\n"
        "  Add the tokens of extended to to_json.",
    )


@check
def check_contract(case: TokenizerCase) -> None:
    """It is a Tokenizer, and `vocab_size` is a positive number."""
    tokenizer = case.train()
    require(
        isinstance(tokenizer, Tokenizer),
        f"train must return a Tokenizer, got {type(tokenizer).__name__}.\n"
        "  Derive the class from seqkit.plugin.Tokenizer.",
    )
    require(
        isinstance(tokenizer.vocab_size, int) and tokenizer.vocab_size > 0,
        f"vocab_size must be a positive int, got {tokenizer.vocab_size!r}.\n"
        "  Set it to the number of tokens.",
    )
    require(
        not inspect.isabstract(case.target),
        "the class lacks an abstract method of Tokenizer.\n"
        "  Implement all of train, encode, decode, to_json and from_json.",
    )


def _same(first: Ids, second: Ids) -> bool:
    return bool(np.array_equal(first, second))


def _short(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:37] + "...")
