"""What the contract of a tokenizer says, check by check."""

from __future__ import annotations

import inspect
import json
import random

import numpy as np

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
"""Any Unicode but lone surrogates: those are no text, and many libraries refuse them."""


@check
def check_config_fields_are_keywords(case: TokenizerCase) -> None:
    """Every field of the config is a keyword of `train`."""
    missing = case.missing_keywords()
    require(not missing, f"train has no keyword {', '.join(missing)}")


@check
def check_round_trip(case: TokenizerCase) -> None:
    """The text that it was trained on comes back whole, and so does each line of it."""
    tokenizer = case.train()
    for text in (case.text, *case.text.splitlines(keepends=True)):
        back = tokenizer.decode(tokenizer.encode(text))
        require(back == text, f"{_short(text)} comes back as {_short(back)}")


@check
def check_ids_are_small_unsigned_numbers(case: TokenizerCase) -> None:
    """Ids are a 1-D array in the smallest unsigned dtype that holds the vocabulary, all below its size."""
    tokenizer = case.train()
    smallest = np.min_scalar_type(max(tokenizer.vocab_size - 1, 0))
    for text in (case.text, *STRANGE):
        ids = tokenizer.encode(text)
        require(isinstance(ids, np.ndarray) and ids.ndim == 1, f"encode gives {type(ids).__name__}")
        require(
            ids.dtype == smallest, f"ids are {ids.dtype}, and {smallest} holds {tokenizer.vocab_size} ids"
        )
        require(not len(ids) or int(ids.max()) < tokenizer.vocab_size, f"an id is {ids.max()}, out of range")


@check
def check_any_unicode(case: TokenizerCase) -> None:
    """No text makes it fail, and a text that it knows whole comes back whole."""
    tokenizer = case.train()
    for text in STRANGE:
        ids = tokenizer.encode(text)
        back = tokenizer.decode(ids)
        if tokenizer.unknown_id is None or not np.any(ids == tokenizer.unknown_id):
            require(back == text, f"{_short(text)} has no unknown token, and comes back as {_short(back)}")


@check
def check_empty_text(case: TokenizerCase) -> None:
    """No text is no ids, and no ids are no text."""
    tokenizer = case.train()
    require(len(tokenizer.encode("")) == 0, "the empty text has ids")
    require(tokenizer.decode([]) == "", "no ids decode to text")


@check
def check_decode_takes_lists_and_arrays(case: TokenizerCase) -> None:
    """`decode` takes a list of numbers and an array of any integer dtype."""
    tokenizer = case.train()
    ids = tokenizer.encode(case.text)
    for same in (ids.tolist(), ids.astype(np.int64), tuple(ids)):
        require(
            tokenizer.decode(same) == tokenizer.decode(ids), f"it decodes {type(same).__name__} otherwise"
        )


@check
def check_unknown_id(case: TokenizerCase) -> None:
    """The unknown token, where there is one, is in range and decodes to U+FFFD."""
    tokenizer = case.train()
    unknown = tokenizer.unknown_id
    if unknown is None:
        for text in STRANGE:
            back = tokenizer.decode(tokenizer.encode(text))
            require(
                back == text, f"there is no unknown token, and {_short(text)} comes back as {_short(back)}"
            )
        return
    require(0 <= unknown < tokenizer.vocab_size, f"unknown_id is {unknown}, out of range")
    decoded = tokenizer.decode([unknown])
    require(decoded == REPLACEMENT, f"<unk> decodes to {decoded!r}, not to U+FFFD")


@check
def check_unknown_characters(case: TokenizerCase) -> None:
    """It counts the characters that its ids do not hold: none in the text that it was trained on."""
    tokenizer = case.train()
    count = tokenizer.unknown_characters(case.text, tokenizer.encode(case.text))
    require(count == 0, f"{count} characters of the training text are unknown")
    for text in STRANGE:
        count = tokenizer.unknown_characters(text, tokenizer.encode(text))
        require(
            0 <= count <= len(text), f"{count} of the {len(text)} characters of {_short(text)} are unknown"
        )


@check
def check_special_ids(case: TokenizerCase) -> None:
    """The token that a text is read after, and the end of a document, are in range."""
    tokenizer = case.train()
    for name, value in (("start_id", tokenizer.start_id), ("end_id", tokenizer.end_id)):
        require(value is None or 0 <= value < tokenizer.vocab_size, f"{name} is {value}, out of range")
    require(
        tokenizer.end_id is None or tokenizer.end_id != tokenizer.unknown_id, "the end is the unknown token"
    )


@check
def check_deterministic(case: TokenizerCase) -> None:
    """The same documents give the same tokenizer, and the same text the same ids."""
    first, second = case.train(), case.train()
    require(first.fingerprint == second.fingerprint, "the same documents give another fingerprint")
    require(_same(first.encode(case.text), second.encode(case.text)), "the same documents give other ids")
    require(_same(first.encode(case.text), first.encode(case.text)), "the same text gives other ids")


@check
def check_json_round_trip(case: TokenizerCase) -> None:
    """Through JSON it comes back as the same mapping, with the same special ids."""
    tokenizer = case.train()
    again = case.target.from_json(json.loads(json.dumps(tokenizer.to_json())))
    for text in (case.text, *STRANGE):
        require(_same(tokenizer.encode(text), again.encode(text)), f"{_short(text)} has other ids")
    for name in ("vocab_size", "unknown_id", "end_id", "start_id", "fingerprint"):
        ours, theirs = getattr(tokenizer, name), getattr(again, name)
        require(ours == theirs, f"{name} was {ours!r} and comes back as {theirs!r}")


@check
def check_fingerprint_tells_mappings_apart(case: TokenizerCase) -> None:
    """A tokenizer that maps a text to other ids has another fingerprint."""
    tokenizer = case.train()
    other = case.train(["zyxw " * 40 + "\n", "0987 6543\n" * 40, "zyxw 0987\n" * 40])
    texts = (case.text, "zyxw 0987 " * 9, *STRANGE)
    if all(_same(tokenizer.encode(text), other.encode(text)) for text in texts):
        return  # the mapping does not depend on the training text
    require(tokenizer.fingerprint != other.fingerprint, "two mappings have one fingerprint")


@check
def check_safe_cut(case: TokenizerCase) -> None:
    """Where it says that a text can be cut, the halves encode to what the whole does, whatever follows."""
    tokenizer = case.train()
    numbers = random.Random(0)
    for text in (case.text, *STRANGE, "".join(STRANGE), case.text + "".join(STRANGE)):
        whole = tokenizer.encode(text)
        for _ in range(12):
            known = text[: numbers.randrange(len(text) + 1)]
            cut = tokenizer.safe_cut(known)
            require(0 <= cut <= len(known), f"safe_cut gives {cut} for {len(known)} characters")
            halves = np.concatenate([tokenizer.encode(text[:cut]), tokenizer.encode(text[cut:])])
            require(_same(halves, whole), f"cut at {cut}, {_short(text)} has other ids")


@check
def check_text_in_pieces(case: TokenizerCase) -> None:
    """Text that comes in pieces of any size is encoded as the whole is."""
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
        require("".join(part for part, _ in parts) == text, "the pieces joined are not the text")
        joined = np.concatenate([ids for _, ids in parts])
        require(_same(joined, tokenizer.encode(text)), "in pieces it has other ids")


@check
def check_streaming_decoder(case: TokenizerCase) -> None:
    """Pieces of the streaming decoder, joined, are what `decode` gives, for any ids."""
    tokenizer = case.train()
    numbers = random.Random(2)
    streams = [tokenizer.encode(text).tolist() for text in (case.text, *STRANGE)]
    streams += [[numbers.randrange(tokenizer.vocab_size) for _ in range(60)] for _ in range(8)]
    for ids in streams:
        decoder = tokenizer.decoder()
        pieces = [decoder.push(token) for token in ids]
        joined = "".join(pieces) + decoder.flush()
        expected = tokenizer.decode(ids)
        require(joined == expected, f"the pieces give {_short(joined)}, and decode gives {_short(expected)}")


@check
def check_streamed_pieces_are_text(case: TokenizerCase) -> None:
    """No piece of the streaming decoder holds half a character."""
    tokenizer = case.train()
    for line in case.text.splitlines(keepends=True):
        decoder = tokenizer.decoder()
        pieces = [*map(decoder.push, tokenizer.encode(line).tolist()), decoder.flush()]
        broken = [piece for piece in pieces if REPLACEMENT in piece]
        require(not broken or REPLACEMENT in line, f"{_short(line)} is streamed as {pieces!r}")


@check
def check_contract(case: TokenizerCase) -> None:
    """It is a Tokenizer, and `vocab_size` is a positive number."""
    tokenizer = case.train()
    require(isinstance(tokenizer, Tokenizer), f"{type(tokenizer).__name__} is no Tokenizer")
    require(isinstance(tokenizer.vocab_size, int) and tokenizer.vocab_size > 0, f"{tokenizer.vocab_size!r}")
    require(not inspect.isabstract(case.target), "a method is missing")


def _same(first: Ids, second: Ids) -> bool:
    return bool(np.array_equal(first, second))


def _short(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:37] + "...")
