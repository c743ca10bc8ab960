import doctest
import importlib
import pkgutil

import pytest

import seqkit

MODULES = [m.name for m in pkgutil.walk_packages(seqkit.__path__, "seqkit.") if m.name != "seqkit.__main__"]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples_to_run() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) >= 5


@pytest.mark.parametrize("name", seqkit.__all__)
def test_every_public_name_says_what_it_is(name: str) -> None:
    assert getattr(seqkit, name).__doc__
