import itertools
import math

import numpy as np
import pytest
import torch

from seqkit import SequenceModel, score
from seqkit.cells import RNN
from seqkit.errors import SourceError
from seqkit.inference import reading, score_blocks
from seqkit.tokenizers import CharTokenizer
from seqkit.tokenizers.documents import with_end

TOKENIZER = CharTokenizer("abcж\n")


@pytest.fixture
def model() -> SequenceModel:
    torch.manual_seed(1)
    return SequenceModel(RNN(TOKENIZER.vocab_size, 16), vocab_size=TOKENIZER.vocab_size)


def test_every_token_costs_its_surprisal(model: SequenceModel) -> None:
    text = "abжc\nabc" * 400  # longer than one pass
    result = score(model, TOKENIZER, text)
    ids = TOKENIZER.encode(text).tolist()
    log_p = model(torch.tensor([[TOKENIZER.start_id, *ids[:-1]]]))[0][0].detach().log_softmax(-1)
    bits = [-float(row[i]) / math.log(2) for row, i in zip(log_p, ids, strict=True)]
    np.testing.assert_allclose(result.surprisal, bits, atol=1e-4)
    assert result.tokens == len(text)
    assert result.bits_per_char == pytest.approx(sum(bits) / len(text), abs=1e-5)
    assert result.bits_per_byte == pytest.approx(sum(bits) / len(text.encode()), abs=1e-5)
    assert result.perplexity == pytest.approx(2 ** (sum(bits) / len(text)), rel=1e-4)
    assert result.unknown == 0


def test_an_unknown_character_costs_any_code_point_more(model: SequenceModel) -> None:
    known, unknown = score(model, TOKENIZER, "a"), score(model, TOKENIZER, "☃")
    assert unknown.unknown == 1
    assert unknown.bits_per_char == pytest.approx(unknown.surprisal[0] + math.log2(1_114_112))
    assert known.bits_per_char == pytest.approx(known.surprisal[0])


def test_one_character_is_enough_and_an_empty_text_is_an_error(model: SequenceModel) -> None:
    assert score(model, TOKENIZER, "a").tokens == 1
    with pytest.raises(SourceError, match="no text to score"):
        score(model, TOKENIZER, "")


def test_pieces_cost_what_the_whole_costs(model: SequenceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK", 1500)
    text = "abжc\nab☃c" * 500
    whole = score(model, TOKENIZER, text)
    pieces = score(model, TOKENIZER, (text[i : i + 701] for i in range(0, len(text), 701)))
    np.testing.assert_array_equal(pieces.surprisal, whole.surprisal)
    assert pieces.surprisal.dtype == np.float32
    assert (pieces.tokens, pieces.unknown) == (whole.tokens, whole.unknown) == (4500, 500)
    assert pieces.bits_per_byte == whole.bits_per_byte
    with pytest.raises(SourceError, match="no text to score"):
        score(model, TOKENIZER, iter(["", ""]))


def test_blocks_are_scored_one_after_the_other(model: SequenceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK", 1500)
    endless = ("abc\n" * 1000 for _ in itertools.count())
    first, second = itertools.islice(score_blocks(model, TOKENIZER, endless), 2)
    assert len(first.text) == len(first.ids) == len(first.bits) == len(second.bits)
    found = score(model, TOKENIZER, first.text + second.text).surprisal
    np.testing.assert_array_equal(found, np.concatenate([first.bits, second.bits]))


def test_documents_on_lines_are_read_each_from_the_start() -> None:
    tokenizer = with_end(CharTokenizer("abc"))
    torch.manual_seed(1)
    model = SequenceModel(RNN(tokenizer.vocab_size, 16), vocab_size=tokenizer.vocab_size)
    lines = score(model, tokenizer, "ab\ncab\nab", lines=True)
    alone = [score(model, tokenizer, line, lines=True).surprisal for line in ("ab", "cab\n", "ab\n")]
    np.testing.assert_allclose(lines.surprisal, np.concatenate(alone), atol=1e-5)
    assert lines.tokens == 10  # with three ends
    within = score(model, tokenizer, "ab").surprisal
    np.testing.assert_allclose(alone[0][:2], within, atol=1e-6)
