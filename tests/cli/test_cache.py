"""`seqkit cache`: what is kept is listed and cleared."""

from __future__ import annotations

import json

from seqkit import caching
from seqkit.engine.compile import store
from tests.inprocess import command


def test_it_is_listed_and_cleared(tiny_run: str) -> None:
    store.keep("a" * 64, {}, b"x" * 500_000)
    listed = command("cache")
    assert listed.returncode == 0
    assert listed.stdout.startswith(str(caching.cache_dir()))
    assert "compiled steps      1        0.5" in listed.stdout
    assert "tokenised texts     1" in listed.stdout
    found = json.loads(command("cache", "--json").stdout)
    assert found["path"] == str(caching.cache_dir())
    assert [each["entries"] for each in found["kept"]] == [1, 1, 1]
    cleared = json.loads(command("cache", "--clear", "--json").stdout)
    assert [each["entries"] for each in cleared["kept"]] == [0, 0, 0]
    assert command("evaluate", tiny_run).returncode == 0  # which tokenises the text again
