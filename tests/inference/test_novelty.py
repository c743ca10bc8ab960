import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit.errors import OutOfRangeError
from seqkit.inference import CopiedSpan, measure_novelty, novelty

STORY = "".join(f"chapter {n}: the {n * n} of them went home at {n % 12} o'clock.\n" for n in range(3000))


def by_hand(text: str, training: str, shortest: int) -> tuple[set[tuple[int, int]], int]:
    """The copied intervals that are not inside another one, and the number of characters they cover."""
    found = set()
    for start in range(len(text)):
        stop = start
        while stop < len(text) and text[start : stop + 1] in training:
            stop += 1
        if stop - start >= shortest:
            found.add((start, stop))
    covered = {i for start, stop in found for i in range(start, stop)}
    return {(a, b) for a, b in found if not any(c <= a and b <= d for c, d in found - {(a, b)})}, len(covered)


@given(
    st.text("ab中", max_size=40),
    st.lists(st.text("ab中", max_size=20), max_size=8),
    st.integers(1, 5),
    st.integers(1, 50),
)
def test_spans_are_those_of_comparing_everything(
    text: str, pieces: list[str], shortest: int, window: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(novelty, "WINDOW", window)
        found, empty = measure_novelty([text, ""], iter(pieces), shortest)
    training = "".join(pieces)
    expected, covered = by_hand(text, training, shortest)
    assert {(span.start, span.start + len(span.text)) for span in found.spans} == expected
    assert found.copied == covered
    for span in found.spans:
        assert text.startswith(span.text, span.start)
        assert training.find(span.text) == span.offset
    lengths = [len(span.text) for span in found.spans]
    assert lengths == sorted(lengths, reverse=True)
    assert (empty.copied, empty.copied_share, empty.spans) == (0, 0.0, ())


def test_a_copied_passage_is_found_with_its_place() -> None:
    passage = STORY[70_003:70_103]
    text = f"Once upon a time, {passage} ... and that was that."
    pieces = [STORY[i : i + 997] for i in range(0, len(STORY), 997)]
    (found,) = measure_novelty([text], pieces)
    assert found.spans[0] == CopiedSpan(passage, text.index(passage), 70_003)
    assert (found.characters, found.shortest) == (len(text), 20)
    assert found.copied_share == pytest.approx(100 / len(text))


def test_less_than_the_shortest_is_not_a_copy() -> None:
    (found,) = measure_novelty([STORY[100:119] + "☃"], [STORY])
    assert found.spans == ()
    (found,) = measure_novelty([STORY[100:119] + "☃"], [STORY], 19)
    assert len(found.spans) == 1
    with pytest.raises(OutOfRangeError, match="shortest must be at least 1 character, got 0"):
        measure_novelty(["a"], ["a"], 0)


def test_many_repetitions_are_found_once() -> None:
    (found,) = measure_novelty([" " * 30 + "x" + " " * 25], [" " * 5000])
    assert [(span.start, len(span.text), span.offset) for span in found.spans] == [(0, 30, 0), (31, 25, 0)]


def test_any_text_can_be_compared() -> None:
    odd = "\ud800\0\ufffd" * 10
    (found,) = measure_novelty([odd], ["x" + odd])
    assert (found.copied, found.spans[0].offset) == (30, 1)
