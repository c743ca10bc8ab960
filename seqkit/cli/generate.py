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
from seqkit.cli.opening import open_run
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
@click.option("--max-tokens", type=click.IntRange(min=0), help="The most tokens that are drawn.")
@click.option("--temperature", type=float, help="Divides the logits; 0 takes the likeliest token every time.")
@click.option("--top-k", type=int, help="Draw from the K likeliest tokens only.")
@click.option("--top-p", type=float, help="Draw from the likeliest tokens that reach this probability only.")
@click.option(
    "--repetition-penalty", type=float, help="Above 1, tokens that were drawn before are less likely."
)
@click.option(
    "--stop",
    multiple=True,
    callback=lambda context, parameter, texts: [_unescaped(text) for text in texts],
    help="End before this string, in which \\n is a line end and \\t a tab; several times for several.",
)
@click.option("--keep-stop", is_flag=True, help="End after the --stop string, not before it.")
@click.option("--seed", type=int, help="The same seed gives the same text.")
@click.option("--novelty", is_flag=True, help="Report what is copied word for word from the training text.")
@click.option(
    "--out", metavar="FILE", help="Write what would be printed into FILE, in UTF-8 whatever the terminal is."
)
@plugin_option
@json_option
def command(
    directory: str,
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

    The prompt may come from a file, or for `-` from standard input; a line end at its very end is left out.
    What is not given is taken from the [sample] table of the run's recipe.
    """
    if prompt is not None and prompt_file is not None:
        raise click.UsageError("give a prompt or --prompt-file, not both.")
    options = {name: value for name, value in given.items() if value not in (None, (), [])}
    run = open_run(directory, plugins, "generate")
    if prompt_file is not None or prompt == "-":
        prompt = "".join(read_pieces(run, prompt_file or "-")).removesuffix("\n")
    elif prompt is None:
        prompt = run.recipe.sample.prompt
    _warn_of_unknown(run.tokenizer, prompt)
    first = options.pop("seed", run.recipe.sample.seed)
    seeds = range(first, first + (num or 1))
    # Made before anything is printed: they raise at once what is out of range.
    streams = [run.stream(prompt, seed=seed, **options) for seed in seeds]
    with _writer(out) as write:
        if as_json:
            results = _results(run, prompt, seeds, streams, novelty)
            write(json.dumps(results[0] if num is None else results, indent=2) + "\n")
            return
        has_titles = num is not None and run.recipe.data.documents != "lines"  # there, a text is a line
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
                write(f"\n{_told(found, f'the text of seed {seed}' if num else 'the text')}\n")


def _unescaped(text: str) -> str:
    """The text with `\\n`, `\\t` and `\\\\` read as a line end, a tab and a backslash."""
    return re.sub(r"\\([nt\\])", lambda found: ESCAPES[found[1]], text)


@contextmanager
def _writer(out: str | None) -> Iterator[Callable[[str], None]]:
    """What writes text to a file, or prints it.

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


def _told(found: Any, text: str) -> str:
    """In words, with the longest spans."""
    if not found.spans:
        return f"No {found.shortest} characters in a row of {text} stand in the training text."
    counts = f"{found.copied:,} of {found.characters:,} characters"
    spans = f"in spans of {found.shortest} characters or more"
    lines = [f"{found.copied_share:.1%} of {text} ({counts}) stand in the training text, {spans}:"]
    for span in found.spans[:SPANS_SHOWN]:
        lines.append(f"  {len(span.text):>5,} characters, there at {span.offset:,}: {span.text!r}")
    if (more := len(found.spans) - SPANS_SHOWN) > 0:
        lines.append(f"  and {more} more")
    return "\n".join(lines)
