import sys

import pytest

from seqkit.errors import SourceError, UnknownNameError
from seqkit.sources.samples import PythonDocs, drop_repeated_paragraphs, open_sample, read_topics


def test_the_language_reference_is_real_prose_of_the_size_expected() -> None:
    assert 300_000 <= sum(map(len, read_topics().values())) <= 600_000
    text = "".join(PythonDocs().documents())
    assert 250_000 <= len(text) <= 600_000
    assert text.count(" the ") > 1_000
    assert text.endswith("\n")


def test_no_long_paragraph_occurs_twice() -> None:
    text = "".join(PythonDocs().documents())
    long = [p.strip() for p in text.split("\n\n") if len(p.strip()) >= 60]
    assert len(long) == len(set(long)) > 1_000


def test_only_later_copies_of_long_paragraphs_are_dropped() -> None:
    long, other = "x" * 60, "y" * 60
    assert drop_repeated_paragraphs(f"{long}\n\nshort\n\n{other}\n\n{long}\n\nshort\n") == (
        f"{long}\n\nshort\n\n{other}\n\nshort\n"
    )


def test_it_is_the_same_every_time() -> None:
    assert PythonDocs().fingerprint == PythonDocs().fingerprint
    assert list(PythonDocs().pieces()) == list(PythonDocs().pieces())


def test_there_is_one_split() -> None:
    with pytest.raises(SourceError, match="no split 'test'"):
        list(PythonDocs().pieces("test"))


def test_an_interpreter_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(
        SourceError, match=r"lacks pydoc_data.topics.*\n.*seqkit run quickstart --data my.txt"
    ):
        list(PythonDocs().pieces())


def test_an_unknown_sample() -> None:
    assert isinstance(open_sample("python-docs"), PythonDocs)
    with pytest.raises(
        UnknownNameError, match="no sample is called 'python-doc'. Did you mean 'python-docs'"
    ):
        open_sample("python-doc")
