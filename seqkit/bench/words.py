"""Comparison of a recipe with n-grams: the same split, tokenizer, ids and positions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seqkit.bench.ngram import NGram
from seqkit.data.batches import text_metrics
from seqkit.errors import SourceError
from seqkit.recipe import Recipe
from seqkit.registry import registry_with
from seqkit.run import Run, rundir, train
from seqkit.run.claim import claim
from seqkit.run.seeds import mean_and_interval
from seqkit.tasks.text import TextData, prepare_text

ORDERS = {"trigram": 3, "5-gram": 5}
"""White space is a token of the tokenizer `word`, so a 5-gram is needed to read the two words before."""
RESULT = "words.json"


def measure(
    recipe: Recipe,
    *,
    seeds: int = 1,
    out: str | Path | None = None,
    plugins: Sequence[Any] = (),
    callbacks: Callable[[int], Sequence[object]] = lambda seed: (),
) -> dict[str, Any]:
    """Count n-grams in the training split, train the recipe on it, and measure both on the other splits.

    Args:
        recipe: a recipe for text; its own seed is not used.
        seeds: number of seeds; the recipe is trained with the seeds 0 to `seeds - 1`.
        out: the directory of the runs, `seed-0/` and so on; by default `runs/bench-<recipe>`, then
            `runs/bench-<recipe>-2`, ...
        plugins: plugins in addition to the installed ones.
        callbacks: function of a seed that returns the callbacks of its training; see `Trainer`.
    Returns:
        The contents of `words.json`. For each split except train, they have the loss in nats, the perplexity
        per token and the bits per character, of each n-gram and of the recipe (the mean of the seeds' losses,
        with each seed's). They also have the ratio of the recipe's perplexity to that of each n-gram.
    Raises:
        SourceError: the text has only a training split.
    """
    registry = registry_with(plugins)
    text = prepare_text(recipe.resolve(registry))
    splits = [name for name, counts in text.corpus.counts.items() if name != "train" and counts.tokens]
    if not splits:
        raise SourceError(
            "there is no validation or test split to compare on.\n"
            "  Set one, for instance data.split=0.8,0.1,0.1."
        )
    ngrams = {name: _count(text, order) for name, order in ORDERS.items()}
    with claim(out, f"bench-{recipe.name}") as path:
        runs = [
            train(
                recipe.override([f"train.seed={seed}"]),
                path / f"seed-{seed}",
                plugins=plugins,
                callbacks=callbacks(seed),
            )
            for seed in range(seeds)
        ]
    first = runs[0]
    result = {
        "path": str(path),
        "recipe": recipe.name,
        "cell": first.recipe.cell.use,
        "vocab_size": first.tokenizer.vocab_size,
        "seeds": seeds,
        "steps": [run.provenance["steps"] for run in runs],
        "training_s": [run.provenance["training_s"] for run in runs],
        "splits": {split: _compared(text, split, ngrams, runs) for split in splits},
    }
    rundir.write_json(path / RESULT, result)
    return result


def _count(text: TextData, order: int) -> NGram:
    """The n-gram model of the training split."""
    tokenizer = text.tokenizer
    return NGram(
        text.corpus.ids("train"),
        tokenizer.vocab_size,
        order=order,
        start_id=tokenizer.start_id,
        end_id=tokenizer.end_id if text.splits.apart else None,
    )


def _compared(text: TextData, split: str, ngrams: Mapping[str, NGram], runs: Sequence[Run]) -> dict[str, Any]:
    """Losses of each model on a split, token by token."""
    ids, counts = text.corpus.ids(split), text.corpus.counts[split]

    def units(loss_nats: float) -> dict[str, Any]:
        return {"loss": loss_nats, **text_metrics(loss_nats, counts)}

    losses = [float(run.evaluate(split)["loss"]) for run in runs]
    trained = {**units(statistics.fmean(losses)), "losses": losses}
    if len(losses) > 1:
        trained["perplexity_interval_95"] = [
            math.exp(loss) for loss in mean_and_interval(losses)["interval_95"]
        ]
    counted = {name: units(float(ngram.nats(ids).mean())) for name, ngram in ngrams.items()}
    ratios = {name: trained["perplexity"] / values["perplexity"] for name, values in counted.items()}
    return {"tokens": counts.tokens, "ngrams": counted, "recipe": trained, "ratios": ratios}
