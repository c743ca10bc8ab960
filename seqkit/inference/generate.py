"""Generate text one token at a time, with the state kept."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from seqkit.cells import State
from seqkit.errors import SamplingError
from seqkit.heads import check_sampling, penalize_repetition
from seqkit.inference.reading import BLOCK, CHUNK, blocks
from seqkit.inference.stepping import Stepper
from seqkit.model import SequenceModel, device_of, evaluating
from seqkit.tokenizers import Tokenizer
from seqkit.tokenizers.base import safe_pieces

EndedBy: TypeAlias = Literal["stop", "end", "max_tokens"]


def generate(
    model: SequenceModel,
    tokenizer: Tokenizer,
    prompt: str = "",
    *,
    max_tokens: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    stop: str | Sequence[str] | None = None,
    keep_stop: bool = False,
    seed: int | None = 0,
) -> str:
    """Generate the text that follows a prompt, without the prompt.

    Args:
        model: a model that gives the logits of the next token.
        tokenizer: the tokenizer that the model was trained with.
        prompt: text read after a start token, in pieces; it may be empty or contain unknown characters.
        max_tokens: maximum number of tokens to draw.
        temperature: divides the logits; 0 takes the most likely token every time.
        top_k: draw only from the k most likely tokens.
        top_p: draw only from the most likely tokens that together reach this probability.
        repetition_penalty: makes tokens that were drawn before less likely, see
            `seqkit.heads.penalize_repetition`; 1.0 is off.
        stop: a string, or several; the text ends before the first of them that occurs.
        keep_stop: end the text after the stop string.
        seed: seed of the draws; None draws differently every time.
    Raises:
        SamplingError: an option is out of range.
    """
    return "".join(
        stream(
            model,
            tokenizer,
            prompt,
            max_tokens=max_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            repetition_penalty=repetition_penalty,
            stop=stop,
            keep_stop=keep_stop,
            seed=seed,
        )
    )


def stream(
    model: SequenceModel,
    tokenizer: Tokenizer,
    prompt: str = "",
    *,
    max_tokens: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    stop: str | Sequence[str] | None = None,
    keep_stop: bool = False,
    seed: int | None = 0,
) -> TextStream:
    """Generate the same text as `generate`, in pieces; joined, the pieces equal that text."""
    stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    check_sampling(temperature, top_k, top_p, repetition_penalty)
    if max_tokens < 0:
        raise SamplingError(f"max_tokens must be 0 or greater, got {max_tokens}.")
    if seed is not None and not 0 <= seed < 2**63:
        raise SamplingError(f"seed must be from 0 to 2**63 - 1, got {seed}.")
    if "" in stops:
        raise SamplingError("a stop string must not be empty.")
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    pieces = _pieces(model, tokenizer, prompt, max_tokens, seed, repetition_penalty, options)
    return TextStream(_until_stop(pieces, stops, keep_stop) if stops else pieces)


class TextStream(Iterator[str]):
    """A generated text, piece by piece; `ended_by` gives the reason for its end.

    Args:
        pieces: pieces of the text; the generator returns the reason for the end.
    """

    def __init__(self, pieces: Generator[str, None, EndedBy]) -> None:
        self.ended_by: EndedBy | None = None
        """`"stop"`: a stop string. `"end"`: the model ended the document. `"max_tokens"`: it was cut off."""
        self._pieces = self._followed(pieces)

    def __next__(self) -> str:
        return next(self._pieces)

    def _followed(self, pieces: Generator[str, None, EndedBy]) -> Iterator[str]:
        self.ended_by = yield from pieces


def _pieces(
    model: SequenceModel,
    tokenizer: Tokenizer,
    prompt: str,
    max_tokens: int,
    seed: int | None,
    repetition_penalty: float,
    options: dict[str, float | int | None],
) -> Generator[str, None, EndedBy]:
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    device = device_of(model)
    decoder = tokenizer.decoder()
    modules = [*model.modules()]
    allowed = _allowed(tokenizer, device)
    drawn = torch.zeros(tokenizer.vocab_size, dtype=torch.bool, device=device)
    stepper: Stepper | None = None
    ids: Tensor | None = None
    ended_by: EndedBy = "max_tokens"
    for _ in range(max_tokens):
        with evaluating(modules), torch.inference_mode():
            if stepper is None or ids is None:
                outputs, state = _read(model, tokenizer, prompt, device)
                stepper = Stepper(model, state)
            else:
                outputs = stepper(ids)
            if repetition_penalty != 1:
                outputs = penalize_repetition(outputs, drawn, repetition_penalty)
            ids = model.head.sample(outputs + allowed, generator, **options)
            drawn[ids] = True
            token_id = int(ids)
        if token_id == tokenizer.end_id:
            ended_by = "end"
            break
        if piece := decoder.push(token_id):
            yield piece
    if piece := decoder.flush():
        yield piece
    return ended_by


def _read(
    model: SequenceModel, tokenizer: Tokenizer, prompt: str, device: torch.device
) -> tuple[Tensor, State]:
    """Read a prompt of any length: the outputs after it, `(1, output_size)`, and the state."""
    parts: Iterable[str] = safe_pieces(blocks([prompt], BLOCK), tokenizer.safe_cut)
    every = chain([tokenizer.start_id], chain.from_iterable(map(tokenizer.encode_prompt, parts)))
    state: State = None
    while ids := list(islice(every, CHUNK)):
        hidden, state = model.hidden(torch.tensor([ids], device=device), state)
        last = hidden[:, -1].clone()  # the head may overwrite it, and it may share memory with the state
    return model.head(last), state


def _allowed(tokenizer: Tokenizer, device: torch.device) -> Tensor:
    """A tensor to add to the logits, so that the unknown token, which has no text, is never drawn."""
    allowed = torch.zeros(tokenizer.vocab_size, device=device)
    if tokenizer.unknown_id is not None:
        allowed[tokenizer.unknown_id] = -torch.inf
    return allowed


def _until_stop(
    pieces: Generator[str, None, EndedBy], stops: Sequence[str], keep_stop: bool
) -> Generator[str, None, EndedBy]:
    """The pieces up to the first stop string; text that may be the beginning of one is held back."""
    pending = ""
    while True:
        try:
            pending += next(pieces)
        except StopIteration as end:
            if pending:
                yield pending
            ended_by: EndedBy = end.value
            return ended_by
        found = [(position, len(stop)) for stop in stops if (position := pending.find(stop)) >= 0]
        if found:
            position, length = min(found)
            if text := pending[: position + length * keep_stop]:
                yield text
            return "stop"
        held = max((_overlap(pending, stop) for stop in stops), default=0)
        ready, pending = pending[: len(pending) - held], pending[len(pending) - held :]
        if ready:
            yield ready


def _overlap(text: str, stop: str) -> int:
    """Number of characters at the end of the text that are the beginning of the stop string."""
    lengths = range(min(len(text), len(stop) - 1), 0, -1)
    return next((length for length in lengths if text.endswith(stop[:length])), 0)
