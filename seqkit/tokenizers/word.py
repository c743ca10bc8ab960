"""One token a word, in any script."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, Literal, Self

import numpy as np
import regex
from numpy.typing import NDArray

from seqkit.errors import SourceError
from seqkit.tokenizers.base import REPLACEMENT, Decoder, Ids, PlainDecoder, Tokenizer, safe_pieces

UNKNOWN_ID = 0


class WordTokenizer(Tokenizer):
    """Words, numbers, white space and everything else; the vocabulary is `<unk>` and then the tokens.

    A word is letters with their marks, and apostrophes between them. White space is never part of it:
    a run of spaces, newlines or tabs is split into runs of 16, 8, 4, 2 and 1, so that deep indents need
    few tokens. All else is one token a grapheme cluster: punctuation, an emoji, and the scripts that
    put no space between words (Han, Hiragana, Katakana, Thai, Lao, Khmer, Burmese). The tokens joined
    are the text.

    Args:
        tokens: what it knows, in the order of the ids, the most frequent first.
        lowercase: words are read, and decoded, in lower case.
        unknown: `"token"` reads an unknown word as `<unk>`, which is decoded as U+FFFD; `"spell"` reads
            it character by character, and only a character that is no token is `<unk>`.

    Example:
        >>> tokenizer = WordTokenizer([" ", "cat", "the"])
        >>> tokenizer.encode("the cat?").tolist()
        [3, 1, 2, 0]
        >>> tokenizer.decode([3, 1, 2])
        'the cat'

    Source: words and clusters as in Unicode Standard Annex #29, with numbers of digits alone.
    """

    unknown_id = UNKNOWN_ID
    is_slow = True

    def __init__(
        self,
        tokens: Sequence[str],
        *,
        lowercase: bool = False,
        unknown: Literal["token", "spell"] = "token",
    ) -> None:
        self.tokens = list(dict.fromkeys(tokens))
        if not self.tokens:
            raise SourceError("a word tokenizer needs at least one token, and there is none.")
        self.lowercase = lowercase
        self.unknown = unknown
        self.vocab_size = 1 + len(self.tokens)
        self.frequent_id = 1
        self._text_of_id = [REPLACEMENT, *self.tokens]
        self._id_of_text = {token: index for index, token in enumerate(self.tokens, start=1)}

    def __repr__(self) -> str:
        return f"WordTokenizer({self.tokens!r}, lowercase={self.lowercase}, unknown={self.unknown!r})"

    @classmethod
    def train(
        cls,
        pieces: Iterable[str],
        *,
        lowercase: bool = False,
        min_count: int = 1,
        max_vocab: int | None = None,
        unknown: Literal["token", "spell"] = "token",
    ) -> Self:
        """The tokens of the text that the pieces make, the most frequent first, ties in code point order.

        Args:
            pieces: the text; a word may be cut between two of them.
            lowercase: count words in lower case.
            min_count: leave out what stands in the text less often.
            max_vocab: leave out the rarest, so that `vocab_size` is at most this.
            unknown: with `"spell"`, every character of the text is a token, however rare.

        Raises:
            SourceError: nothing is left, or the characters alone are more than `max_vocab`.
        """
        counts: Counter[str] = Counter()
        for text in safe_pieces(pieces, safe_cut):
            counts.update(split(text, lowercase))
        characters = {character for token in counts for character in token} if unknown == "spell" else set()
        words = [word for word in counts if counts[word] >= min_count and word not in characters]
        if counts and not words and not characters:
            raise SourceError(f"no word stands {min_count} times in the text.\n  Give a smaller min_count.")
        words.sort(key=lambda word: (-counts[word], word))
        if max_vocab is not None:
            room = max_vocab - 1 - len(characters)
            if room < 0:
                raise SourceError(
                    f"max_vocab = {max_vocab} has no room for <unk> and the {len(characters)} characters of "
                    'the text, which unknown = "spell" needs.\n'
                    '  Give a larger max_vocab, or unknown = "token".'
                )
            words = words[:room]
        tokens = sorted(characters.union(words), key=lambda token: (-counts[token], token))
        return cls(tokens, lowercase=lowercase, unknown=unknown)

    def encode(self, text: str) -> Ids:
        """The id of each token; with `unknown="spell"`, the ids of the characters of an unknown one."""
        tokens = split(text, self.lowercase)
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
        """The tokens joined; `<unk>` gives U+FFFD."""
        return "".join([self._text_of_id[index] for index in np.asarray(ids, dtype=np.intp).tolist()])

    def safe_cut(self, text: str) -> int:
        """Before the last token, which the next character may extend."""
        return safe_cut(text)

    def unknown_characters(self, text: str, ids: Ids) -> int:
        """The characters of the unknown words, or, where these are spelled, those that are no token."""
        if ids.all():
            return 0
        return sum(
            min(len(token), int(np.count_nonzero(self.encode(token) == UNKNOWN_ID)))
            if self.unknown == "spell"
            else len(token)
            for token in split(text)
            if self._normal(token) not in self._id_of_text
        )

    def decoder(self) -> Decoder:
        """Each id is text by itself, so nothing is ever held back."""
        return PlainDecoder(self)

    def to_json(self) -> dict[str, Any]:
        """The tokens in the order of their ids, and how text is read."""
        return {"tokens": self.tokens, "lowercase": self.lowercase, "unknown": self.unknown}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The tokenizer that `to_json` described."""
        return cls(data["tokens"], lowercase=data["lowercase"], unknown=data["unknown"])

    def _ids(self, tokens: Sequence[str]) -> Ids:
        found = map(self._id_of_text.get, tokens, repeat(UNKNOWN_ID))
        return np.fromiter(found, dtype=self.dtype, count=len(tokens))

    def _normal(self, token: str) -> str:
        return token.lower() if self.lowercase else token


def split(text: str, lowercase: bool = False) -> list[str]:
    """The tokens of a text; joined, they are the text.

    Lower case is made token by token: that of a whole text depends on what stands around (a sigma at the
    end of a word), so a cut could change it.
    """
    tokens = _PLAIN_TOKEN.findall(text) if text.isascii() else _split_mixed(text)
    return [token.lower() for token in tokens] if lowercase else tokens


def _split_mixed(text: str) -> list[str]:
    """The same where not all is plain: lines that are take the faster way; no token crosses a line end."""
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
    """Before the last token, or, for white space, before its run; an apostrophe may yet join two words.

    It reads the end of the text only: from the last white space on, which no token reaches across.
    """
    blank = _LAST_BLANK.search(text)
    cut = 0
    for token in _OPEN_TOKEN.finditer(text, blank.start() if blank else 0):
        cut = token.start()
    return cut


_BLANKS = (" ", r"\n", r"\t")
_LENGTHS = (16, 8, 4, 2, 1)
# Nearly all white space is a single space: tried first, it is found sooner.
_RUNS = "|".join([" (?! )", *(f"{blank}{{{length}}}" for blank in _BLANKS for length in _LENGTHS)])
_OPEN_RUNS = "|".join(f"{blank}{{16}}|{blank}+" for blank in _BLANKS)

_LETTERS = (
    r"[\p{WB=ALetter}\p{WB=Hebrew_Letter}][\p{WB=ALetter}\p{WB=Hebrew_Letter}\p{WB=Extend}\p{WB=ZWJ}]*+"
)
_WORD = rf"{_LETTERS}(?:['’]{_LETTERS})*+"
# A character of the class Prepend would take the first letter of a word, or a space, into its cluster.
_OTHERS = r"\p{Nd}[\p{Nd}\p{WB=Extend}\p{WB=ZWJ}]*+|\p{GCB=Prepend}|\X"

_TOKEN = regex.compile(rf"{_WORD}|{_RUNS}|{_OTHERS}")
_OPEN_TOKEN = regex.compile(rf"{_WORD}(?:['’]\Z)?|{_OPEN_RUNS}|{_OTHERS}")
_LAST_BLANK = regex.compile(r"(?r)(?<=\S)[ \n\t]")

# Plain text is ASCII and nearly all of Chinese and Japanese: characters that are alone in their cluster
# and no part of a word. For it the standard library does, and is twice as fast.
_ALONE = (
    "\u2014\u2018\u201c\u201d\u2026"  # dashes and quotation marks, but not the apostrophe
    "\u3001-\u3003\u3008-\u3011\u3014-\u301b"  # punctuation
    "\u3041-\u3096\u30a1-\u30fa\u30fc\u4e00-\u9fff"  # Hiragana, Katakana, Han
    "\uff01-\uff0f\uff1a-\uff20"  # full-width punctuation
)
_NOT_PLAIN = re.compile(rf"[^\x00-\x7F{_ALONE}]")
_PLAIN_TOKEN = re.compile(rf"[{_ALONE}]|[A-Za-z]++(?:'[A-Za-z]++)*+|{_RUNS}|[0-9]++|\r\n|.", re.DOTALL)
