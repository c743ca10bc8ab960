"""Words separated by white space, with `<eos>` at line ends: the usual form for published results.

    " the <unk> said it \n"  ─►  the  <unk>  said  it  <eos>

The Penn Treebank and WikiText have this form, with rare words replaced by `<unk>`. The kind of white space
between two words is lost.
"""

from __future__ import annotations

import re

UNKNOWN, END = "<unk>", "<eos>"

_BLANK = re.compile(r"\s")


def split(text: str, lowercase: bool = False) -> list[str]:
    """The words, and `<eos>` at each line end, unless the line already ends with `<eos>`."""
    *lines, rest = text.split("\n")
    tokens: list[str] = []
    for line in lines:
        words = line.split()
        tokens += words
        if not words or words[-1] != END:
            tokens.append(END)
    tokens += rest.split()
    return [token.lower() for token in tokens] if lowercase else tokens


def safe_cut(text: str) -> int:
    """The position before the last word, which the next character may extend, or after the last line end."""
    last = text.rfind("\n") + 1
    end = len(text.rstrip())
    for cut in range(end, last, -1):
        if _BLANK.match(text, cut - 1):
            return cut
    return last


def text_of(token: str) -> str:
    """The text of a token, such that the joined tokens are a text of the same form."""
    return " \n" if token == END else f" {token}"
