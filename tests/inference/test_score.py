import math

import numpy as np
import pytest
import torch

from seqkit import SequenceModel, score
from seqkit.cells import RNN
from seqkit.errors import SourceError
from seqkit.tokenizers import CharTokenizer

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


def test_one_character_is_enough_and_none_is_told(model: SequenceModel) -> None:
    assert score(model, TOKENIZER, "a").tokens == 1
    with pytest.raises(SourceError, match="no text to score"):
        score(model, TOKENIZER, "")
