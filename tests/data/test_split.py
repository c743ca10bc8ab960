from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit.data import TextSplits
from seqkit.data.split import cut_points
from seqkit.errors import SourceError
from seqkit.sources import Piece, TextFiles, TextSource


class Pieces(TextSource):
    def __init__(self, *texts: str) -> None:
        self.texts = texts

    @property
    def fingerprint(self) -> str:
        return "".join(self.texts)

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        yield from (Piece(text, False) for text in self.texts)


def parts(splits: TextSplits) -> dict[str, str]:
    return {split: "".join(splits.texts(split)) for split in splits.parts}


@given(
    st.lists(st.text("ab\n", max_size=30)),
    st.sampled_from([(0.9, 0.05, 0.05), (0.5, 0.3, 0.2), (0.9, 0.1, 0.0)]),
)
def test_the_splits_are_disjoint_and_whole_and_in_order(
    texts: list[str], fractions: tuple[float, ...]
) -> None:
    splits = TextSplits(Pieces(*texts), fractions)
    found = parts(splits)
    assert "".join(found.values()) == "".join(texts)
    assert list(found) == ["train", "validation", "test"][: len([f for f in fractions if f])]


@given(st.text("ab\n", min_size=1, max_size=200), st.lists(st.integers(1, 20), max_size=20))
def test_where_a_text_is_cut_does_not_depend_on_its_pieces(text: str, sizes: list[int]) -> None:
    pieces, rest = [], text
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    fractions = (0.6, 0.2, 0.2)
    total, expected = cut_points(lambda: iter([text]), fractions)
    assert total == len(text)
    assert cut_points(lambda: iter([*pieces, rest]), fractions) == (total, expected)
    for cut, target, following in zip(expected, (0.6, 0.8), (0.8, 1.0), strict=True):
        target, following = round(len(text) * target), round(len(text) * following)
        assert cut == target or (text[cut - 1] == "\n" and target < cut <= target + (following - target) // 2)
        assert "\n" not in text[max(target - 1, 0) : cut - 1]


def test_a_cut_moves_to_the_next_line_end() -> None:
    text = "".join(f"line {i:02}\n" for i in range(100))  # 8 characters per line
    found = parts(TextSplits(Pieces(text[:500], text[500:])))
    assert all(part.endswith("\n") and part.startswith("line") for part in found.values())
    assert len(found["train"]) == 720
    assert len(found["validation"]) == 40


def test_a_text_without_line_ends_is_cut_where_the_fractions_say() -> None:
    found = parts(TextSplits(Pieces("x" * 1000)))
    assert [len(part) for part in found.values()] == [900, 50, 50]


def test_a_split_of_nothing_is_missing() -> None:
    splits = TextSplits(Pieces("x\n" * 50), (0.9, 0.1, 0.0))
    assert splits.missing == ("test",)
    with pytest.raises(SourceError, match="there is no test split; available: train, validation"):
        list(splits.texts("test"))


class TestSplitsOfTheSource:
    def files(self, **texts: str) -> TextFiles:
        for split, text in texts.items():
            Path(f"{split}.txt").write_text(text)
        return TextFiles({split: f"{split}.txt" for split in texts})

    def test_they_are_used_as_they_are(self) -> None:
        splits = TextSplits(self.files(train="a\n", validation="b\n", test="c\n"))
        assert parts(splits) == {"train": "a\n", "validation": "b\n", "test": "c\n"}
        assert splits.missing == ()

    def test_a_missing_validation_split_is_cut_from_the_end_of_train(self) -> None:
        splits = TextSplits(self.files(train="ab\n" * 100, test="c\n"))
        found = parts(splits)
        assert found["train"] + found["validation"] == "ab\n" * 100
        assert len(found["validation"]) == 15
        assert found["test"] == "c\n"

    def test_a_missing_test_split_is_missing(self) -> None:
        splits = TextSplits(self.files(train="ab\n" * 100, validation="b\n"))
        assert splits.missing == ("test",)
        assert parts(splits)["train"] == "ab\n" * 100


def test_without_fractions_nothing_is_cut() -> None:
    assert parts(TextSplits(Pieces("a\n", "b"), None)) == {"all": "a\nb"}


def test_the_fingerprint_follows_data_and_fractions() -> None:
    one = TextSplits(Pieces("a")).fingerprint
    assert TextSplits(Pieces("a")).fingerprint == one
    assert TextSplits(Pieces("b")).fingerprint != one
    assert TextSplits(Pieces("a"), (0.8, 0.1, 0.1)).fingerprint != one
