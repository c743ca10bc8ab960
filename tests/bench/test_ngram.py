import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqkit.bench.ngram import NGram, discounts, perplexity

VOCAB = 6
IDS = st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=60)
CONTEXT = st.lists(st.integers(0, VOCAB - 1), max_size=4)


def markov(length: int, seed: int) -> NDArray[np.int64]:
    """Each token is 3 times the one before it, plus 0, 1 or 2, modulo 50, so the entropy is known."""
    steps = np.random.Generator(np.random.Philox(seed)).choice(3, length, p=[0.5, 0.25, 0.25])
    ids = [0]
    for step in steps:
        ids.append((3 * ids[-1] + int(step)) % 50)
    return np.array(ids[1:])


def skewed(length: int, seed: int) -> NDArray[np.int64]:
    """Independent tokens, a few of them frequent, as words in a text are."""
    generator = np.random.Generator(np.random.Philox(seed))
    return np.minimum(generator.zipf(1.3, length), 50)


def test_a_bigram_worked_by_hand() -> None:
    """Pairs, with the start token 0: 01 12 21 12 21 11. So small a text has discounts of one half."""
    model = NGram(np.array([1, 2, 1, 2, 1, 1]), 4, order=2, start_id=0)
    # Three different tokens occur before 1, and one before 2: 4 in all, of which twice a half is left over.
    one, two, other = 2.5 / 4 + 0.25 / 4, 0.5 / 4 + 0.25 / 4, 0.25 / 4
    np.testing.assert_allclose(
        model.distribution(np.array([1])),  # 1 occurs twice before 2 and once before 1
        [other / 3, 0.5 / 3 + one / 3, 1.5 / 3 + two / 3, other / 3],
    )
    np.testing.assert_allclose(model.distribution(np.array([3])), [other, one, two, other])
    costs = model.nats(np.array([1, 2, 3]))
    after_start, after_one, after_two = 0.5 + 0.5 * one, 1.5 / 3 + two / 3, 0.5 / 2 * other
    np.testing.assert_allclose(np.exp(-costs), [after_start, after_one, after_two])


def test_the_discounts_are_those_of_the_formula() -> None:
    counts = np.array([1] * 4 + [2] * 2 + [3] + [4] + [9])  # Y = 4 / (4 + 2 * 2) = 1/2
    np.testing.assert_allclose(
        discounts(counts), [0, 1 - 2 * 0.5 * 2 / 4, 2 - 3 * 0.5 * 1 / 2, 3 - 4 * 0.5 * 1 / 1]
    )


def test_a_discount_is_never_negative_nor_more_than_the_count() -> None:
    for seen in ([9, 1, 1, 9], [1, 9, 1, 1], [1, 1, 9, 9], [1, 1, 1, 99]):
        taken = discounts(np.repeat([1, 2, 3, 4], seen))
        assert (taken >= 0).all()
        assert (taken <= [0, 1, 2, 3]).all()


@given(IDS, CONTEXT, st.integers(1, 4))
def test_the_probabilities_sum_to_one(ids: list[int], context: list[int], order: int) -> None:
    model = NGram(np.array(ids), VOCAB, order=order)
    probabilities = model.distribution(np.array(context, dtype=np.int64))
    assert (probabilities > 0).all()
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)


def test_they_sum_to_one_after_contexts_of_a_text_that_has_all_counts() -> None:
    ids = skewed(5000, seed=0)
    pairs = np.unique(ids[:-1] * 53 + ids[1:], return_counts=True)[1]
    assert discounts(pairs)[3] > 1  # they are estimated, not the halves of a tiny text
    model = NGram(ids, 53)
    for context in np.random.Generator(np.random.Philox(1)).integers(0, 53, (20, 2)):
        assert model.distribution(context).sum() == pytest.approx(1, abs=1e-12)


def reference(ids: Sequence[int], context: Sequence[int], token: int, order: int) -> float:
    """The same with dictionaries, one probability at a time, from the definition."""
    padded = [0] * (order - 1) + list(ids)
    windows = [tuple(padded[i : i + order]) for i in range(len(ids))]

    def counts(length: int) -> Counter[tuple[int, ...]]:
        if length == order:
            return Counter(windows)
        return Counter(gram[1:] for gram in {window[order - length - 1 :] for window in windows})

    def discount(table: Counter[tuple[int, ...]], count: int) -> float:
        n = Counter(table.values())
        if not (n[1] and n[2] and n[3] and n[4]):
            return 0.5
        count = min(count, 3)
        estimate = count - (count + 1) * n[1] / (n[1] + 2 * n[2]) * n[count + 1] / n[count]
        return min(max(estimate, 0), count)

    def probability(before: tuple[int, ...]) -> float:
        shorter = probability(before[1:]) if before else 1 / VOCAB
        table = counts(len(before) + 1)
        followers = {gram: count for gram, count in table.items() if gram[:-1] == before}
        if not followers:
            return shorter
        total = sum(followers.values())
        left = sum(discount(table, count) for count in followers.values())
        count = table[(*before, token)]
        return (max(count - discount(table, count), 0) if count else 0) / total + left / total * shorter

    return probability(tuple(([0] * (order - 1) + list(context))[len(context) :]))


@given(st.integers(0, 99), CONTEXT, st.integers(2, 4))
def test_it_equals_the_definition(seed: int, context: list[int], order: int) -> None:
    generator = np.random.Generator(np.random.Philox(seed))
    ids = generator.choice(VOCAB - 1, 80, p=[0.5, 0.2, 0.1, 0.1, 0.1])  # the last token never occurs
    found = NGram(ids, VOCAB, order=order).distribution(np.array(context, dtype=np.int64))
    for token in range(VOCAB):
        assert found[token] == pytest.approx(reference(ids.tolist(), context, token, order))


def test_it_comes_near_the_entropy_of_what_it_models() -> None:
    """A text of known entropy (1.5 bits per token): no correct model can be below it."""
    train, test = markov(100_000, seed=0), markov(20_000, seed=1)
    entropy = 2**1.5
    assert entropy * 0.99 < perplexity(train, test, 50) < entropy * 1.01
    assert perplexity(train[:2000], test, 50) > perplexity(train, test, 50)


def test_it_beats_a_bigram_without_smoothing_and_one_with_a_count_more() -> None:
    train, test = markov(250, seed=0), markov(500, seed=1)
    counts = np.zeros((50, 50))
    np.add.at(counts, (train[:-1], train[1:]), 1)
    pairs = counts[test[:-1], test[1:]]
    assert (pairs == 0).any()  # unsmoothed, its perplexity is infinite
    nats = NGram(train, 50).nats(test)[1:]
    assert np.isfinite(nats).all()
    smoothed = (pairs + 1) / (counts[test[:-1]].sum(1) + 50)
    assert nats.mean() < -np.log(smoothed).mean() - 0.5


def test_every_position_counts_and_the_first_one_follows_the_start_token() -> None:
    train = markov(3000, seed=0)
    model = NGram(train, 50, start_id=7)
    test = np.array([22, 16, 49])
    nats = model.nats(test)
    assert nats.shape == (3,)
    for place, context in enumerate(([7, 7], [7, 22], [22, 16])):
        expected = model.distribution(np.array(context))[test[place]]
        assert math.exp(-nats[place]) == pytest.approx(expected)
    assert perplexity(train, test, 50, start_id=7) == pytest.approx(math.exp(nats.mean()))


def test_no_gram_reaches_back_over_the_end_of_a_document() -> None:
    train = np.array([1, 2, 3, 0, 2, 3, 0, 1, 3, 0] * 5)  # 0 ends a document
    model = NGram(train, 4, start_id=0, end_id=0)
    after_one, after_another = np.array([3, 0]), np.array([2, 0])
    np.testing.assert_array_equal(model.distribution(after_one), model.distribution(after_another))
    apart = model.nats(np.array([1, 2, 3, 0, 1, 2, 3, 0]))
    np.testing.assert_allclose(apart[:4], apart[4:])
    joined = NGram(train, 4, start_id=0)
    assert not np.allclose(joined.distribution(after_one), joined.distribution(np.array([0, 0])))
