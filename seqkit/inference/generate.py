"""New text, one token at a time, with the state kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from seqkit.errors import SamplingError
from seqkit.heads import check_sampling
from seqkit.inference.stepping import Stepper
from seqkit.model import SequenceModel, device_of, evaluating
from seqkit.tokenizers import Tokenizer


def generate(
    model: SequenceModel,
    tokenizer: Tokenizer,
    prompt: str = "",
    *,
    max_tokens: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: str | Sequence[str] | None = None,
    seed: int | None = 0,
) -> str:
    """The text that follows a prompt, without the prompt.

    Args:
        model: gives the logits of the next token.
        tokenizer: of the text that the model was trained on.
        prompt: is read after a start token; it may be empty, and hold unknown characters.
        max_tokens: how many tokens are drawn at most.
        temperature: divides the logits; 0 takes the likeliest token every time.
        top_k: only the k likeliest tokens can be drawn.
        top_p: only the likeliest tokens that together reach this probability can be drawn.
        stop: a string, or several: the text ends before the first of them.
        seed: of the draws; None draws differently every time.
    Raises:
        SamplingError: an option is out of its range.
    """
    options = {"max_tokens": max_tokens, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    return "".join(stream(model, tokenizer, prompt, stop=stop, seed=seed, **options))  # type: ignore[arg-type]


def stream(
    model: SequenceModel,
    tokenizer: Tokenizer,
    prompt: str = "",
    *,
    max_tokens: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: str | Sequence[str] | None = None,
    seed: int | None = 0,
) -> Iterator[str]:
    """The same text as `generate`, in pieces as they are made; the pieces joined are equal to it."""
    stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    check_sampling(temperature, top_k, top_p)
    if max_tokens < 0:
        raise SamplingError(f"max_tokens must be 0 or greater, got {max_tokens}.")
    if seed is not None and not 0 <= seed < 2**63:
        raise SamplingError(f"seed must be from 0 to 2**63 - 1, got {seed}.")
    if "" in stops:
        raise SamplingError("a stop string must not be empty.")
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    pieces = _pieces(model, tokenizer, prompt, max_tokens, seed, options)
    return _until_stop(pieces, stops) if stops else pieces


def _pieces(
    model: SequenceModel,
    tokenizer: Tokenizer,
    prompt: str,
    max_tokens: int,
    seed: int | None,
    options: dict[str, float | int | None],
) -> Iterator[str]:
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    device = device_of(model)
    decoder = tokenizer.decoder()
    modules = [*model.modules()]
    allowed = _allowed(tokenizer, device)
    stepper: Stepper | None = None
    ids = torch.tensor([tokenizer.start_id, *tokenizer.encode_prompt(prompt)], device=device)
    for _ in range(max_tokens):
        with evaluating(modules), torch.inference_mode():
            if stepper is None:
                outputs, state = model(ids[None])
                stepper, outputs = Stepper(model, state), outputs[:, -1]
            else:
                outputs = stepper(ids)
            ids = model.head.sample(outputs + allowed, generator, **options)
            token_id = int(ids)
        if token_id == tokenizer.end_id:
            break
        if piece := decoder.push(token_id):
            yield piece
    if piece := decoder.flush():
        yield piece


def _allowed(tokenizer: Tokenizer, device: torch.device) -> Tensor:
    """What is added to the logits: an unknown token cannot be drawn, for there is no text for it."""
    allowed = torch.zeros(tokenizer.vocab_size, device=device)
    if tokenizer.unknown_id is not None:
        allowed[tokenizer.unknown_id] = -torch.inf
    return allowed


def _until_stop(pieces: Iterator[str], stops: Sequence[str]) -> Iterator[str]:
    """The pieces up to the first stop string; what may be the beginning of one is held back."""
    pending = ""
    for piece in pieces:
        pending += piece
        found = [position for stop in stops if (position := pending.find(stop)) >= 0]
        if found:
            pending = pending[: min(found)]
            break
        held = max((_overlap(pending, stop) for stop in stops), default=0)
        ready, pending = pending[: len(pending) - held], pending[len(pending) - held :]
        if ready:
            yield ready
    if pending:
        yield pending


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of the text are the beginning of the stop string."""
    lengths = range(min(len(text), len(stop) - 1), 0, -1)
    return next((length for length in lengths if text.endswith(stop[:length])), 0)
