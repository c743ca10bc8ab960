"""`seqkit generate`: text from a trained run."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

from seqkit.cli.foreign import echo, warn_of_lost
from seqkit.cli.input import read_pieces
from seqkit.cli.opening import open_run, step_option
from seqkit.cli.output import json_option, plugin_option

SPANS_SHOWN = 5
PROMPT_SHOWN = 80
ESCAPES = {"n": "\n", "t": "\t", "\\": "\\"}

logger = logging.getLogger(__name__)


@click.command("generate")
@click.argument("directory", metavar="DIR")
@click.argument("prompt", required=False, metavar="[PROMPT|-]")
@click.option("--prompt-file", metavar="FILE", help="Read the prompt from a file.")
@click.option("--num", type=click.IntRange(min=1), help="Number of texts, with the seeds SEED, SEED+1, ...")
@click.option("--max-tokens", type=click.IntRange(min=0), help="Maximum number of tokens to generate.")
@click.option(
    "--temperature",
    type=float,
    help="Number that divides the logits; 0 takes the most likely token at every step.",
)
@click.option("--top-k", type=int, help="Sample from the K most likely tokens only.")
@click.option(
    "--top-p",
    type=float,
    help="Sample only from the most likely tokens whose probabilities together reach this number.",
)
@click.option(
    "--repetition-penalty",
    type=float,
    help="Penalty for tokens that were already generated; above 1 they are less likely.",
)
@click.option(
    "--stop",
    multiple=True,
    callback=lambda context, parameter, texts: [_unescaped(text) for text in texts],
    help="End before this string, in which \\n is a line end and \\t a tab; may be given several times.",
)
@click.option("--keep-stop", is_flag=True, help="End after the --stop string, not before it.")
@click.option("--seed", type=int, help="Seed of the first text; the same seed gives the same text.")
@click.option("--novelty", is_flag=True, help="Report what is copied word for word from the training text.")
@click.option(
    "--out",
    metavar="FILE",
    help="Write the output to FILE instead, in UTF-8 whatever the encoding of the terminal.",
)
@step_option
@plugin_option
@json_option
def command(
    directory: str,
    step: int | None,
    prompt: str | None,
    prompt_file: str | None,
    num: int | None,
    novelty: bool,
    out: str | None,
    plugins: tuple[str, ...],
    as_json: bool,
    **given: Any,
) -> None:
    """Generate the text that follows PROMPT, with the run in DIR.

    The prompt may be read from a file, or from standard input if it is `-`; a line end at its very end is
    left out. Options that are not given are taken from the [sample] table of the run's recipe.
    """
    if prompt is not None and prompt_file is not None:
        raise click.UsageError("give a prompt or --prompt-file, not both.")
    options = {name: value for name, value in given.items() if value not in (None, (), [])}
    run = open_run(directory, plugins, "generate", step)
    if prompt_file is not None or prompt == "-":
        prompt = "".join(read_pieces(run, prompt_file or "-")).removesuffix("\n")
    elif prompt is None:
        prompt = run.recipe.sample.prompt
    _warn_of_unknown(run.tokenizer, prompt)
    first = options.pop("seed", run.recipe.sample.seed)
    seeds = range(first, first + (num or 1))
    # They are made before anything is printed, because an option that is out of range raises here.
    streams = [run.stream(prompt, seed=seed, **options) for seed in seeds]
    with _writer(out) as write:
        if as_json:
            results = _results(run, prompt, seeds, streams, novelty)
            write(json.dumps(results[0] if num is None else results, indent=2) + "\n")
            return
        # With documents = "lines" each text is one line, and needs no title.
        has_titles = num is not None and run.recipe.data.documents != "lines"
        texts = []
        for seed, stream in zip(seeds, streams, strict=True):
            write(f"--- seed {seed} ---\n{prompt}" if has_titles else prompt)
            texts.append("")
            for piece in stream:
                write(piece)
                texts[-1] += piece
            write("\n")
        if novelty:
            for seed, found in zip(seeds, _measured(run, texts), strict=True):
                write(f"\n{_described(found, f'the text of seed {seed}' if num else 'the text')}\n")


def _unescaped(text: str) -> str:
    """The text with `\\n`, `\\t` and `\\\\` read as a line end, a tab and a backslash."""
    return re.sub(r"\\([nt\\])", lambda found: ESCAPES[found[1]], text)


@contextmanager
def _writer(out: str | None) -> Iterator[Callable[[str], None]]:
    """A function that writes text to a file, or prints it.

    Raises:
        UsageError: the file cannot be written.
    """
    if out is None:
        yield partial(echo, nl=False)
        return
    try:
        with open(out, "w", encoding="utf-8", errors="replace", newline="") as file:

            def write(text: str) -> None:
                warn_of_lost(text, "utf-8")
                file.write(text)

            yield write
    except OSError as error:
        raise click.UsageError(f"{out} cannot be written: {error.strerror or error}.") from error
    logger.info("the text is in %s", out)


def _warn_of_unknown(tokenizer: Any, prompt: str) -> None:
    if not tokenizer.knows(prompt):
        read = tokenizer.decode(tokenizer.encode_prompt(prompt))
        shown = read if len(read) <= PROMPT_SHOWN else read[:PROMPT_SHOWN] + "…"
        logger.warning("the tokenizer does not know all of the prompt; the model reads it as %r", shown)


def _results(
    run: Any, prompt: str, seeds: Sequence[int], streams: Sequence[Any], novelty: bool
) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = [
        {"prompt": prompt, "seed": seed, "text": "".join(stream), "ended_by": stream.ended_by}
        for seed, stream in zip(seeds, streams, strict=True)
    ]
    if novelty:
        from dataclasses import asdict

        texts = [result["text"] for result in results]
        for result, found in zip(results, _measured(run, texts), strict=True):
            result["novelty"] = {**asdict(found), "copied_share": found.copied_share}
    return results


def _measured(run: Any, texts: Sequence[str]) -> Any:
    from seqkit.inference import measure_novelty

    return measure_novelty(texts, run.training_text())


def _described(found: Any, text: str) -> str:
    """The novelty in words, with the longest spans."""
    if not found.spans:
        return f"No {found.shortest} consecutive characters of {text} occur in the training text."
    counts = f"{found.copied:,} of {found.characters:,} characters"
    spans = f"in spans of {found.shortest} characters or more"
    lines = [f"{found.copied_share:.1%} of {text} ({counts}) occur in the training text, {spans}:"]
    for span in found.spans[:SPANS_SHOWN]:
        lines.append(f"  {len(span.text):>5,} characters, there at offset {span.offset:,}: {span.text!r}")
    if (more := len(found.spans) - SPANS_SHOWN) > 0:
        lines.append(f"  and {more} more")
    return "\n".join(lines)
