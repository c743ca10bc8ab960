"""Texts that are too large to keep in memory; tests/slow has a larger one."""

from pathlib import Path

import numpy as np
import pytest

from seqkit.bench.data import measure
from seqkit.data import TextSplits, build_corpus
from seqkit.sources import TextFiles
from seqkit.tokenizers import CharTokenizer, Tokenizer, WordTokenizer


def test_a_large_file_takes_little_memory() -> None:
    rows = measure(200)
    assert [row["tokenizer"] for row in rows] == ["char", "word"]
    for row in rows:
        assert row["peak_growth_megabytes"] < 300, row


@pytest.mark.parametrize("make", [CharTokenizer.train, WordTokenizer.train])
def test_a_line_of_100_megabytes_with_nul_bytes(make: type[Tokenizer]) -> None:
    block = "no line ends, and a \0 in it. " * 1000
    with Path("long.txt").open("w", encoding="ascii") as file:
        for _ in range(100_000_000 // len(block) + 1):
            file.write(block)
    splits = TextSplits(TextFiles("long.txt"))
    tokenizer = make([block])  # type: ignore[call-arg, arg-type]
    corpus = build_corpus(splits, tokenizer)
    assert sum(counts.characters for counts in corpus.counts.values()) == Path("long.txt").stat().st_size
    assert not any(counts.unknown_characters for counts in corpus.counts.values())
    ids = corpus.ids("test")
    assert tokenizer.decode(ids[-1000:]).endswith(block[-100:])
    assert np.count_nonzero(ids[: len(tokenizer.encode(block))] == tokenizer.encode("\0")[0]) == 1000
