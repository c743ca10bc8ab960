"""A count-based language model as the baseline of a recurrent one: interpolated modified Kneser-Ney."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

UNSEEN = -1


class NGram:
    """Probability of each token after the `order - 1` tokens before it, from counts of the training ids.

        P(w | h) = (c(h w) - D(c(h w))) / c(h) + backoff(h) P(w | h without its first token)

    The count of a longest gram is how often it occurs in the text. The count of a shorter gram is the number
    of different tokens that occur before it. Single tokens are interpolated with the uniform distribution, so
    that every token of the vocabulary has a probability and they sum to 1. The three discounts of each order
    (for counts of 1, 2, and 3 or more) are estimated from the training counts alone.

    Args:
        ids: the training split, 1-D.
        vocab_size: ids are below it. All ids that are not in the training split are equally likely.
        order: number of tokens in the longest gram, including the predicted one.
        start_id: token assumed at all positions before the first one.
        end_id: the end of a document: no gram reaches back over this token. None if documents are joined.

    Source: Chen and Goodman (1999), "An empirical study of smoothing techniques for language modeling",
    modified Kneser-Ney smoothing.
    """

    def __init__(
        self,
        ids: NDArray[Any],
        vocab_size: int,
        *,
        order: int = 3,
        start_id: int = 0,
        end_id: int | None = None,
    ) -> None:
        self.vocab_size, self.order = vocab_size, order
        self.start_id, self.end_id = start_id, end_id
        before = self._before(ids)
        context = np.zeros(len(ids), dtype=np.int64)
        self._contexts = []  # for each length from 1: pairs (the context without its first token, that token)
        for token in before:
            pairs, context = np.unique(self._pair(context, token), return_inverse=True)
            self._contexts.append(pairs)
        grams, counts = np.unique(self._pair(context, ids), return_counts=True)
        self._levels = [_Level.of(grams, counts, vocab_size)]
        for pairs in reversed(self._contexts):
            shorter = self._pair(pairs[grams // vocab_size] // vocab_size, grams % vocab_size)
            grams, counts = np.unique(shorter, return_counts=True)
            self._levels.insert(0, _Level.of(grams, counts, vocab_size))

    def nats(self, ids: NDArray[Any]) -> Floats:
        """The loss of each token of another text in nats; its first token is read after `start_id`."""
        return -np.log(self._probabilities(self._before(ids), np.asarray(ids, dtype=np.int64)))

    def distribution(self, context: NDArray[Any]) -> Floats:
        """The probability of every token, `(vocab_size,)`, after the last `order - 1` of these."""
        read = np.append(context, 0)
        before = [np.repeat(token[-1], self.vocab_size) for token in self._before(read)]
        return self._probabilities(before, np.arange(self.vocab_size))

    def _probabilities(self, before: list[Counts], tokens: Counts) -> Floats:
        found = np.full(len(tokens), 1 / self.vocab_size)
        context = np.zeros(len(tokens), dtype=np.int64)
        found = self._levels[0].interpolate(found, context, tokens)
        for pairs, token, level in zip(self._contexts, before, self._levels[1:], strict=True):
            longer = _find(pairs, self._pair(context, token))
            context = np.where(context == UNSEEN, UNSEEN, longer)
            found = level.interpolate(found, context, tokens)
        return found

    def _before(self, ids: NDArray[Any]) -> list[Counts]:
        """For each token, the one before it, the one before that, and so on: `order - 1` arrays."""
        tokens = np.asarray(ids, dtype=np.int64)
        arrays: list[Counts] = []
        for distance in range(1, self.order):
            token = np.concatenate([np.repeat(self.start_id, distance), tokens])[: len(tokens)]
            if arrays and self.end_id is not None:
                token = np.where(arrays[-1] == self.end_id, self.end_id, token)
            arrays.append(token)
        return arrays

    def _pair(self, context: Counts, token: NDArray[Any]) -> Counts:
        pair: Counts = context * self.vocab_size + token
        return pair


@dataclass(frozen=True)
class _Level:
    """Grams of one length: sorted pairs (context, token), what each adds, and the backoff of each context."""

    grams: Counts
    added: Floats
    backoff: Floats
    vocab_size: int

    @classmethod
    def of(cls, grams: Counts, counts: Counts, vocab_size: int) -> _Level:
        """The level of these counts, discounted."""
        context = grams // vocab_size
        taken = discounts(counts)[np.minimum(counts, 3)]
        total = np.bincount(context, counts)
        return cls(grams, (counts - taken) / total[context], np.bincount(context, taken) / total, vocab_size)

    def interpolate(self, shorter: Floats, context: Counts, tokens: Counts) -> Floats:
        """The probabilities after these contexts, given those after the contexts shorter by a token."""
        gram = _find(self.grams, context * self.vocab_size + tokens)
        added = np.where(gram == UNSEEN, 0.0, self.added[gram])
        longer = added + self.backoff[context] * shorter
        return np.where(context == UNSEEN, shorter, longer)


def discounts(counts: Counts) -> Floats:
    """The discounts of counts of 0, 1, 2, and 3 or more, as Chen and Goodman (1999) estimate them.

    If one of the counts 1 to 4 does not occur, as in a small text, there is no such estimate; then the
    discount is one half.
    """
    seen = [int(np.count_nonzero(counts == count)) for count in range(1, 5)]
    if not all(seen):
        return np.array([0.0, 0.5, 0.5, 0.5])
    share = seen[0] / (seen[0] + 2 * seen[1])
    estimates = [count - (count + 1) * share * seen[count] / seen[count - 1] for count in (1, 2, 3)]
    return np.clip([0.0, *estimates], 0.0, [0.0, 1.0, 2.0, 3.0])


def perplexity(
    train_ids: NDArray[Any], test_ids: NDArray[Any], vocab_size: int, *, order: int = 3, start_id: int = 0
) -> float:
    """The perplexity per token of a text under the counts of another text, over all tokens.

    Example:
        >>> text = np.array([1, 2, 3] * 9)
        >>> round(perplexity(text, text, 4), 2) < 2
        True
    """
    model = NGram(train_ids, vocab_size, order=order, start_id=start_id)
    return math.exp(model.nats(test_ids).mean())


def _find(known: Counts, wanted: Counts) -> Counts:
    """Index of each in the sorted array, or `UNSEEN`."""
    place = np.searchsorted(known, wanted)
    place[place == len(known)] = 0
    found: Counts = np.where(known[place] == wanted, place, UNSEEN)
    return found
