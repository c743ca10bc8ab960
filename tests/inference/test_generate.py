import itertools
from typing import Any

import pytest
import torch
from torch import nn

from seqkit import SequenceModel, generate
from seqkit.cells import RNN
from seqkit.errors import SamplingError
from seqkit.heads import CategoricalHead
from seqkit.inference import stream
from seqkit.inference.reading import BLOCK, CHUNK
from seqkit.tokenizers import CharTokenizer
from seqkit.tokenizers.documents import with_end

TOKENIZER = CharTokenizer("abcdefgh \n")


@pytest.fixture
def model() -> SequenceModel:
    torch.manual_seed(1)
    return SequenceModel(RNN(TOKENIZER.vocab_size, 16), vocab_size=TOKENIZER.vocab_size)


def by_hand(model: SequenceModel, prompt: str, count: int, penalty: float = 1.0) -> str:
    """Greedy text, by reading the whole text from the start for every character."""
    text = prompt
    for _ in range(count):
        ids = [TOKENIZER.start_id, *TOKENIZER.encode(text).tolist()]
        logits = model(torch.tensor([ids]))[0][0, -1]
        for drawn in set(ids[1 + len(prompt) :]):
            logits[drawn] *= 1 / penalty if logits[drawn] > 0 else penalty
        logits[TOKENIZER.unknown_id] = -torch.inf
        text += TOKENIZER.decode([int(logits.argmax())])
    return text[len(prompt) :]


@pytest.mark.parametrize("prompt", ["", "a", "head bag"])
def test_greedy_text_is_that_of_reading_everything_again(model: SequenceModel, prompt: str) -> None:
    assert generate(model, TOKENIZER, prompt, max_tokens=25, temperature=0) == by_hand(model, prompt, 25)


def test_a_seed_repeats_the_text(model: SequenceModel) -> None:
    text = generate(model, TOKENIZER, "a", max_tokens=50, seed=1)
    assert generate(model, TOKENIZER, "a", max_tokens=50, seed=1) == text
    assert generate(model, TOKENIZER, "a", max_tokens=50, seed=2) != text
    assert generate(model, TOKENIZER, "a", max_tokens=50, seed=None) != generate(
        model, TOKENIZER, "a", max_tokens=50, seed=None
    )
    assert len(text) == 50


def test_the_pieces_joined_are_the_text(model: SequenceModel) -> None:
    for stop in (None, "a", ["bc", "de"]):
        pieces = list(stream(model, TOKENIZER, "a", max_tokens=60, stop=stop))
        assert "".join(pieces) == generate(model, TOKENIZER, "a", max_tokens=60, stop=stop)


def test_text_appears_as_it_is_made(model: SequenceModel) -> None:
    endless = stream(model, TOKENIZER, "", max_tokens=10**9)
    assert len(list(itertools.islice(endless, 5))) == 5


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_text_ends_before_a_stop_string(model: SequenceModel, length: int) -> None:
    text = generate(model, TOKENIZER, "a", max_tokens=80)
    stop = text[40 : 40 + length]
    stopped = generate(model, TOKENIZER, "a", max_tokens=80, stop=["never in it", stop])
    assert stopped == text[: text.index(stop)]
    assert generate(model, TOKENIZER, "a", max_tokens=80, stop="never in it") == text


def test_what_looked_like_a_stop_string_at_the_end_is_given(model: SequenceModel) -> None:
    text = generate(model, TOKENIZER, "a", max_tokens=20)
    assert generate(model, TOKENIZER, "a", max_tokens=20, stop=text[-3:] + "☃") == text


def test_no_prompt_crashes_it_and_unknown_is_never_drawn(model: SequenceModel) -> None:
    with torch.no_grad():
        model.head.projection.bias[TOKENIZER.unknown_id] = 100.0  # it would be drawn every time
    for prompt in ("", "☃", "Zürich \0 \ud800"):
        assert "\ufffd" not in generate(model, TOKENIZER, prompt, max_tokens=30)


def test_a_strict_tokenizer_reads_any_prompt_too(model: SequenceModel) -> None:
    strict = CharTokenizer(TOKENIZER.characters, errors="strict")
    assert generate(model, strict, "a☃") == generate(model, TOKENIZER, "a☃")


def test_the_models_mode_and_the_random_stream_stay(model: SequenceModel) -> None:
    before = torch.get_rng_state()
    generate(model, TOKENIZER, "a", max_tokens=5)
    assert all(module.training for module in model.modules())
    model.encoder.eval()
    generate(model, TOKENIZER, "a", max_tokens=5)
    assert [module.training for module in (model, model.encoder, model.cell)] == [True, False, True]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -0.1}, "temperature must be 0"),
        ({"top_k": 0}, "top_k must be 1"),
        ({"top_p": 2.0}, "top_p must be"),
        ({"max_tokens": -1}, "max_tokens must be 0 or greater, got -1"),
        ({"stop": ""}, "must not be empty"),
        ({"seed": 2**63}, "seed must be from 0"),
        ({"repetition_penalty": 0}, "repetition_penalty must be greater than 0"),
    ],
)
def test_options_out_of_range_are_errors_immediately(
    model: SequenceModel, options: dict, message: str
) -> None:
    with pytest.raises(SamplingError, match=message):
        stream(model, TOKENIZER, "a", **options)


@pytest.mark.ci
def test_a_prompt_is_read_in_pieces_and_only_its_last_output_is_made(
    model: SequenceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory in use at once does not grow with the prompt."""
    prompt = "head bag " * 1000
    expected = by_hand(model, prompt, 5)
    read: list[int] = []
    made: list[int] = []
    hidden, head = model.hidden, model.head.forward

    def counted_hidden(inputs: torch.Tensor, *arguments: Any) -> Any:
        read.append(inputs.shape[1])
        return hidden(inputs, *arguments)

    def counted_head(outputs: torch.Tensor) -> torch.Tensor:
        made.append(outputs[..., 0].numel())
        return head(outputs)

    monkeypatch.setattr(model, "hidden", counted_hidden)
    monkeypatch.setattr(model.head, "forward", counted_head)
    assert generate(model, TOKENIZER, prompt, max_tokens=5, temperature=0) == expected
    assert sum(read) == len(prompt) + 1  # and the start token
    assert max(read) == CHUNK
    assert made == [1] * 5


@pytest.mark.ci
def test_a_prompt_is_encoded_in_pieces(model: SequenceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    encode = TOKENIZER.encode_prompt
    monkeypatch.setattr(TOKENIZER, "encode_prompt", lambda text: lengths.append(len(text)) or encode(text))
    generate(model, TOKENIZER, "a" * 150_000, max_tokens=1)
    assert lengths == [BLOCK, BLOCK, 150_000 - 2 * BLOCK]


def test_a_head_that_writes_over_its_input_leaves_the_state_alone() -> None:
    torch.manual_seed(1)
    head = CategoricalHead(
        nn.Sequential(nn.ReLU(inplace=True), nn.Linear(16, TOKENIZER.vocab_size)), TOKENIZER.vocab_size
    )
    model = SequenceModel(RNN(TOKENIZER.vocab_size, 16), head=head, vocab_size=TOKENIZER.vocab_size)
    assert generate(model, TOKENIZER, "head", max_tokens=9, temperature=0) == by_hand(model, "head", 9)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_stop_string_may_be_kept(model: SequenceModel, length: int) -> None:
    text = generate(model, TOKENIZER, "a", max_tokens=80)
    stop = text[40 : 40 + length]
    kept = generate(model, TOKENIZER, "a", max_tokens=80, stop=stop, keep_stop=True)
    assert kept == text[: text.index(stop) + length]
    assert generate(model, TOKENIZER, "a", max_tokens=80, stop="never", keep_stop=True) == text


def test_what_ended_a_text(model: SequenceModel) -> None:
    text = generate(model, TOKENIZER, "a", max_tokens=20)
    cut = stream(model, TOKENIZER, "a", max_tokens=20)
    assert cut.ended_by is None
    assert "".join(cut) == text
    assert cut.ended_by == "max_tokens"
    for stop, keep, ended_by in (
        (text[5], False, "stop"),
        (text[5], True, "stop"),
        ("☃", False, "max_tokens"),
    ):
        stopped = stream(model, TOKENIZER, "a", max_tokens=20, stop=stop, keep_stop=keep)
        list(stopped)
        assert stopped.ended_by == ended_by
    none = stream(model, TOKENIZER, "a", max_tokens=0)
    assert (list(none), none.ended_by) == ([], "max_tokens")


@pytest.mark.parametrize("stop", [None, "☃"])
def test_a_document_that_ends_by_itself(stop: str | None) -> None:
    tokenizer = with_end(TOKENIZER)
    torch.manual_seed(1)
    model = SequenceModel(RNN(tokenizer.vocab_size, 16), vocab_size=tokenizer.vocab_size)
    ended = stream(model, tokenizer, "a", max_tokens=1000, stop=stop)
    assert len("".join(ended)) < 1000
    assert ended.ended_by == "end"


def test_the_tokens_that_were_drawn_are_penalised(model: SequenceModel) -> None:
    text = generate(model, TOKENIZER, "abc", max_tokens=20, temperature=0, repetition_penalty=3.0)
    assert text == by_hand(model, "abc", 20, penalty=3.0)
    assert text != by_hand(model, "abc", 20)
    plain = generate(model, TOKENIZER, "a", max_tokens=8)
    assert generate(model, TOKENIZER, "a", max_tokens=8, repetition_penalty=1.0) == plain


def test_no_tokens_is_no_text(model: SequenceModel) -> None:
    assert generate(model, TOKENIZER, "a", max_tokens=0) == ""
