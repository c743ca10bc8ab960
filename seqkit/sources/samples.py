"""Sample data from Python itself or an installed package: no network, no file in the repository."""

from __future__ import annotations

import re
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from seqkit.errors import SourceError, UnknownNameError
from seqkit.fingerprint import fingerprint
from seqkit.sources.base import Piece, Source, TextSource, cut_document

REPEATED_FROM = 60  # characters; a shorter paragraph ("For example:") may repeat in any text


class PythonDocs(TextSource):
    """The language reference that ships with CPython: real prose, about 400,000 characters.

    It differs a little between Python versions. About a sixth of it is paragraphs that occur in
    several topics and would leak from the training split into the test split. Only the first
    copy of every paragraph of 60 characters or more is kept.

    Raises:
        SourceError: the interpreter was built without the language reference.
    """

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        """The topics in alphabetical order, as one document."""
        if split != "all":
            raise SourceError(f"there is no split {split!r}; the only split is 'all'.")
        yield from cut_document(self._text)

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the text itself, since it differs between Python versions."""
        return fingerprint(["python-docs", self._text])

    @cached_property
    def _text(self) -> str:
        topics = read_topics()
        return drop_repeated_paragraphs(
            "\n\n".join(topics[name].strip("\n") for name in sorted(topics)) + "\n"
        )


class PythonIdentifiers(TextSource):
    """The names that CPython's standard library gives to functions, classes, variables and attributes.

    Each name is a document of one line, without leading or trailing underscores. There are some 18,000 names,
    all different. They differ a little between Python versions.

    Raises:
        SourceError: the sources of the standard library are not on this machine.
    """

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        """The names in alphabetical order."""
        if split != "all":
            raise SourceError(f"there is no split {split!r}; the only split is 'all'.")
        for name in self._names:
            yield Piece(name + "\n", True)

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the names themselves, since they differ between Python versions."""
        return fingerprint(["python-identifiers", self._names])

    @cached_property
    def _names(self) -> list[str]:
        return read_identifiers()


def open_stocks(symbol: str | Sequence[str] | None = None) -> Source:
    """Daily prices of AAPL, FB, GOOG, IBM and MSFT, 2000 (or later) to 2013: public domain.

    They are read from the installed package bokeh-sampledata, which is not imported. Its notice gives
    Quandl's WIKI as the origin of the data.

    Args:
        symbol: one symbol or several; default: all.
    Raises:
        SourceError: the package is not installed.
    """
    from seqkit.sources.prices import Prices

    try:
        path = distribution("bokeh-sampledata").locate_file("bokeh_sampledata/_data/stocks.csv.gz")
    except PackageNotFoundError:
        path = None
    if path is None or not Path(str(path)).is_file():
        raise SourceError(
            "the sample 'stocks' is in the package bokeh-sampledata, which is not installed here.\n"
            "  pip install 'seqkit[samples]', or give a price file: seqkit run stocks --data FILE.csv"
        )
    return Prices(str(path), symbol=symbol, panel=symbol is None)


SAMPLES: dict[str, Callable[[], Source]] = {
    "python-docs": PythonDocs,
    "python-identifiers": PythonIdentifiers,
    "stocks": open_stocks,
}


def open_sample(name: str, symbol: str | Sequence[str] | None = None) -> Source:
    """Open the sample of that name; `symbol` is only for `stocks`.

    Raises:
        UnknownNameError: there is no such sample.
        SourceError: the sample is not on this machine, or has no symbols.
    """
    if name not in SAMPLES:
        raise UnknownNameError("sample", name, SAMPLES)
    if name == "stocks":
        return open_stocks(symbol)
    if symbol is not None:
        raise SourceError(f"the sample {name!r} has no symbols; leave it out: source.symbol=none.")
    return SAMPLES[name]()


def read_topics() -> dict[str, str]:
    """The texts of `help("topics")`, by name."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise SourceError(
            "this Python lacks pydoc_data.topics, the text of the sample 'python-docs'.\n"
            "  Give a text file instead: seqkit run quickstart --data my.txt"
        ) from None
    return dict(topics)


_DEFINITION = re.compile(
    r"""^[ \t]*(?:
        (?:async[ \t]+)?(?:def|class)[ \t]+(\w+)            # a function or a class
        | (?:self\.)?([A-Za-z_]\w*)[ \t]*(?::[^=\n]+)?=[^=]  # a variable or an attribute
    )""",
    re.MULTILINE | re.ASCII | re.VERBOSE,
)


def read_identifiers() -> list[str]:
    """Names defined in the standard library's modules, without its tests; sorted, without duplicates."""
    library = Path(sysconfig.get_path("stdlib"))
    names: set[str] = set()
    for module in sorted(sys.stdlib_module_names - {"test", "idlelib", "lib2to3"}):
        files = [library / f"{module}.py", *(library / module).rglob("*.py")]
        for file in files:
            if file.is_file() and not {"test", "tests"} & set(file.parts[len(library.parts) :]):
                found = _DEFINITION.findall(file.read_text("utf-8", "replace"))
                names.update((defined or assigned).strip("_") for defined, assigned in found)
    names.discard("")
    if not names:
        raise SourceError(
            f"the sources of Python's standard library, for the sample 'python-identifiers', are not in "
            f"{library}.\n  Give a file with one name per line instead: seqkit run names --data my.txt"
        )
    return sorted(names)


def drop_repeated_paragraphs(text: str) -> str:
    """The text with only the first copy of every paragraph of 60 characters or more."""
    seen: set[str] = set()
    kept = []
    for paragraph in text.split("\n\n"):
        key = paragraph.strip()
        if len(key) >= REPEATED_FROM:
            if key in seen:
                continue
            seen.add(key)
        kept.append(paragraph)
    return "\n\n".join(kept)
