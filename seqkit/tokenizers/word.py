"""One token per word, in any script."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import regex
from numpy.typing import NDArray

from seqkit.errors import SourceError
from seqkit.tokenizers import white_space
from seqkit.tokenizers.base import REPLACEMENT, Decoder, Ids, PlainDecoder, Tokenizer, safe_pieces

UNKNOWN_ID = 0
SINGLE_BLANKS = (" ", "\n", "\t", "\r")
"""White space that is in every vocabulary, so that the spacing of known words is restored exactly."""
SplitName: TypeAlias = Literal["unicode", "white-space"]


class WordTokenizer(Tokenizer):
    """Words, numbers, white space and everything else; the vocabulary is `<unk>`, followed by the tokens.

    A word is letters with their marks, and apostrophes between them. White space is never part of it:
    a run of spaces, newlines or tabs is split into runs of 16, 8, 4, 2 and 1, so that deep indents need
    few tokens. Everything else is one token per grapheme cluster: punctuation, an emoji, and scripts
    without spaces between words (Han, Hiragana, Katakana, Thai, Lao, Khmer, Burmese). The joined tokens
    are the text. A single space, line end or tab is always a token.

    With `split="white-space"`, words are separated by white space, `<eos>` is the line end, and `<unk>` in
    the text is the unknown token itself. The Penn Treebank and WikiText are evaluated in this way, and the
    perplexity is per word. A decoded text has one space before each word.

    Args:
        tokens: the vocabulary, in the order of the ids, the most frequent first.
        lowercase: words are read, and decoded, in lower case.
        unknown: `"token"` reads an unknown word as `<unk>`, which is decoded as U+FFFD; `"spell"` reads
            it character by character, and only a character that is not a token is `<unk>`.
        split: `"unicode"` or `"white-space"`.

    Example:
        >>> tokenizer = WordTokenizer([" ", "cat", "the"])
        >>> tokenizer.encode("the cat?").tolist()
        [3, 1, 2, 0]
        >>> tokenizer.decode([3, 1, 2])
        'the cat'

    Source: words and clusters as in Unicode Standard Annex #29, but numbers contain only digits.
    """

    unknown_id = UNKNOWN_ID
    is_slow = True

    def __init__(
        self,
        tokens: Sequence[str],
        *,
        lowercase: bool = False,
        unknown: Literal["token", "spell"] = "token",
        split: SplitName = "unicode",
    ) -> None:
        self.tokens = list(dict.fromkeys(tokens))
        if not self.tokens:
            raise SourceError("a word tokenizer needs at least one token, and there is none.")
        if unknown == "spell" and split == "white-space":
            raise SourceError(CANNOT_SPELL)
        self.lowercase = lowercase
        self.unknown = unknown
        self.split = split
        self.unit = "word" if split == "white-space" else "token"
        self.vocab_size = 1 + len(self.tokens)
        self.frequent_id = 1
        self._split, self._safe_cut = _ways(split)
        self._text_of_id = [REPLACEMENT, *self.tokens]
        if split == "white-space":
            self._text_of_id = [white_space.text_of(token) for token in (white_space.UNKNOWN, *self.tokens)]
        self._id_of_text = {token: index for index, token in enumerate(self.tokens, start=1)}

    def __repr__(self) -> str:
        how = f"lowercase={self.lowercase}, unknown={self.unknown!r}, split={self.split!r}"
        return f"WordTokenizer({self.tokens!r}, {how})"

    @classmethod
    def train(
        cls,
        pieces: Iterable[str],
        *,
        lowercase: bool = False,
        min_count: int = 1,
        max_vocab: int | None = None,
        unknown: Literal["token", "spell"] = "token",
        split: SplitName = "unicode",
    ) -> Self:
        """Make a tokenizer with the tokens of the joined pieces, most frequent first, then by code point.

        Args:
            pieces: the text; a word may be cut between two of them.
            lowercase: count words in lower case.
            min_count: leave out tokens that occur less often in the text.
            max_vocab: leave out the rarest tokens, so that `vocab_size` is at most this.
            unknown: with `"spell"`, every character of the text is a token, even rare ones.
            split: see the class.

        Raises:
            SourceError: no token is left, or the obligatory tokens are more than `max_vocab`.
        """
        split_text, safe_cut = _ways(split)
        counts: Counter[str] = Counter()
        for text in safe_pieces(pieces, safe_cut):
            counts.update(split_text(text, lowercase))
        if split == "white-space":
            del counts[white_space.UNKNOWN]  # it is the unknown token, even if frequent
        always = {character for token in counts for character in token} if unknown == "spell" else set()
        if counts and not always and max(counts.values()) < min_count:
            raise SourceError(f"no word occurs {min_count} times in the text.\n  Give a smaller min_count.")
        if counts and split == "unicode":
            always.update(SINGLE_BLANKS)
        words = [word for word in counts if counts[word] >= min_count and word not in always]
        words.sort(key=lambda word: (-counts[word], word))
        if max_vocab is not None:
            room = max_vocab - 1 - len(always)
            if room < 0:
                raise SourceError(_no_room(max_vocab, len(always), spells=unknown == "spell"))
            words = words[:room]
        tokens = sorted(always.union(words), key=lambda token: (-counts[token], token))
        return cls(tokens, lowercase=lowercase, unknown=unknown, split=split)

    def extended(self, other: Self) -> Self:
        """This tokenizer, with the tokens that only `other` has; with `unknown="spell"`, its characters."""
        added = other.tokens if self.unknown == "token" else [each for each in other.tokens if len(each) == 1]
        return type(self)(
            [*self.tokens, *added], lowercase=self.lowercase, unknown=self.unknown, split=self.split
        )

    def encode(self, text: str) -> Ids:
        """The id of each token; with `unknown="spell"`, an unknown token gives the ids of its characters."""
        tokens = self._split(text, self.lowercase)
        ids = self._ids(tokens)
        if self.unknown == "token" or ids.all():
            return ids
        missing = ids == UNKNOWN_ID
        spelled = [tokens[index] for index in np.flatnonzero(missing)]
        lengths = np.ones(len(ids), dtype=np.intp)
        lengths[missing] = [len(token) for token in spelled]
        ids = ids.repeat(lengths)
        ids[missing.repeat(lengths)] = self._ids("".join(spelled))
        return ids

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        """The joined tokens; `<unk>` gives U+FFFD, or `<unk>` with `split="white-space"`."""
        return "".join([self._text_of_id[index] for index in np.asarray(ids, dtype=np.intp).tolist()])

    def safe_cut(self, text: str) -> int:
        """The position before the last token, which the next character may extend."""
        return self._safe_cut(text)

    def unknown_characters(self, text: str, ids: Ids) -> int:
        """Number of characters in unknown words; if words are spelled, only of unknown characters."""
        if ids.all():
            return 0
        unknown = (token for token in self._split(text, False) if self._normal(token) not in self._id_of_text)
        if self.split == "white-space":
            written = {white_space.UNKNOWN: 0, white_space.END: 1}  # a known token, and a line end
            return sum(written.get(token, len(token)) for token in unknown)
        if self.unknown == "token":
            return sum(map(len, unknown))
        return sum(
            min(len(token), int(np.count_nonzero(self.encode(token) == UNKNOWN_ID))) for token in unknown
        )

    def decoder(self) -> Decoder:
        """A decoder that holds nothing back, since each id is an independent piece of text."""
        return PlainDecoder(self)

    def to_json(self) -> dict[str, Any]:
        """The tokens in the order of their ids, and the options."""
        how = {"lowercase": self.lowercase, "unknown": self.unknown, "split": self.split}
        return {"tokens": self.tokens, **how}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The tokenizer that `to_json` described."""
        split = data.get("split", "unicode")  # missing in runs from before this option
        return cls(data["tokens"], lowercase=data["lowercase"], unknown=data["unknown"], split=split)

    def _ids(self, tokens: Sequence[str]) -> Ids:
        found = map(self._id_of_text.get, tokens, repeat(UNKNOWN_ID))
        return np.fromiter(found, dtype=self.dtype, count=len(tokens))

    def _normal(self, token: str) -> str:
        return token.lower() if self.lowercase else token


CANNOT_SPELL = (
    'unknown = "spell" needs split = "unicode": characters separated by white space would be words.\n'
    '  Use unknown = "token".'
)


def _no_room(max_vocab: int, always: int, *, spells: bool) -> str:
    if not spells:
        return f"max_vocab = {max_vocab} is too small for <unk> and {always} kinds of white space."
    return (
        f"max_vocab = {max_vocab} is too small for <unk> and the {always} characters of the text and of "
        'white space, which unknown = "spell" needs.\n'
        '  Give a larger max_vocab, or unknown = "token".'
    )


def _ways(name: SplitName) -> tuple[Callable[[str, bool], list[str]], Callable[[str], int]]:
    """The functions that split a text, and that find a safe cut in it."""
    if name == "white-space":
        return white_space.split, white_space.safe_cut
    return split, safe_cut


def split(text: str, lowercase: bool = False) -> list[str]:
    """The tokens of a text; joined, they are the text.

    Tokens are converted to lower case one by one. In a whole text, the result depends on the context (a
    sigma at the end of a word), so a cut could change it.
    """
    tokens = _PLAIN_TOKEN.findall(text) if text.isascii() else _split_mixed(text)
    return [token.lower() for token in tokens] if lowercase else tokens


def _split_mixed(text: str) -> list[str]:
    """The tokens of a text that is not all plain; plain lines use the faster pattern.

    No token crosses a line end.
    """
    tokens: list[str] = []
    done = 0
    while found := _NOT_PLAIN.search(text, done):
        start = text.rfind("\n", done, found.start()) + 1 or done
        end = text.find("\n", found.end())
        end = len(text) if end < 0 else end - (text[end - 1] == "\r")  # "\r\n" is one token
        tokens += _PLAIN_TOKEN.findall(text, done, start)
        tokens += _TOKEN.findall(text[start:end])
        done = end
    return tokens + _PLAIN_TOKEN.findall(text, done)


def safe_cut(text: str) -> int:
    """The position before the last token or run of white space; an apostrophe may still join two words.

    Only the end of the text is read, from the last white space on, since no token crosses it.
    """
    blank = _LAST_BLANK.search(text)
    cut = 0
    for token in _OPEN_TOKEN.finditer(text, blank.start() if blank else 0):
        cut = token.start()
    return cut


_BLANKS = (" ", r"\n", r"\t")
_LENGTHS = (16, 8, 4, 2, 1)
# Nearly all white space is a single space, so it is tried first for speed.
_RUNS = "|".join([" (?! )", *(f"{blank}{{{length}}}" for blank in _BLANKS for length in _LENGTHS)])
_OPEN_RUNS = "|".join(f"{blank}{{16}}|{blank}+" for blank in _BLANKS)

_LETTERS = (
    r"[\p{WB=ALetter}\p{WB=Hebrew_Letter}][\p{WB=ALetter}\p{WB=Hebrew_Letter}\p{WB=Extend}\p{WB=ZWJ}]*+"
)
_WORD = rf"{_LETTERS}(?:['’]{_LETTERS})*+"
# A character of the class Prepend would absorb the first letter of a word, or a space, into its cluster.
_OTHERS = r"\p{Nd}[\p{Nd}\p{WB=Extend}\p{WB=ZWJ}]*+|\p{GCB=Prepend}|\X"

_TOKEN = regex.compile(rf"{_WORD}|{_RUNS}|{_OTHERS}")
_OPEN_TOKEN = regex.compile(rf"{_WORD}(?:['’]\Z)?|{_OPEN_RUNS}|{_OTHERS}")
_LAST_BLANK = regex.compile(r"(?r)(?<=\S)[ \n\t]")

# Plain text is ASCII and nearly all of Chinese and Japanese: characters that are alone in their cluster
# and not part of a word. The standard library can split it, twice as fast.
_ALONE = (
    "\u2014\u2018\u201c\u201d\u2026"  # dashes and quotation marks, but not the apostrophe
    "\u3001-\u3003\u3008-\u3011\u3014-\u301b"  # punctuation
    "\u3041-\u3096\u30a1-\u30fa\u30fc\u4e00-\u9fff"  # Hiragana, Katakana, Han
    "\uff01-\uff0f\uff1a-\uff20"  # full-width punctuation
)
_NOT_PLAIN = re.compile(rf"[^\x00-\x7F{_ALONE}]")
_PLAIN_TOKEN = re.compile(rf"[{_ALONE}]|[A-Za-z]++(?:'[A-Za-z]++)*+|{_RUNS}|[0-9]++|\r\n|.", re.DOTALL)
