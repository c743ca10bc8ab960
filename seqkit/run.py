"""Runs: where recipe, data, model and trainer meet."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seqkit import build, inference, provenance, rundir
from seqkit.callbacks import CallPlugins, KeepWeights, MetricsLog, tell
from seqkit.data import build_corpus
from seqkit.errors import SourceError
from seqkit.model import SequenceModel
from seqkit.plots import plot_loss
from seqkit.recipe import Recipe, ResolvedRecipe, TrainConfig
from seqkit.registry import BehaviourHooks, Registry, registry_with
from seqkit.tokenizers import Tokenizer
from seqkit.training import Trainer, checkpoint
from seqkit.training.evaluation import evaluate
from seqkit.training.intervals import LossSlices

logger = logging.getLogger(__name__)


class Run:
    """A trained model and all that belongs to it: what `seqkit.train` and `seqkit.load` return."""

    def __init__(
        self, path: Path, recipe: ResolvedRecipe, tokenizer: Tokenizer, model: SequenceModel
    ) -> None:
        self.path = path
        self.recipe = recipe
        self.tokenizer = tokenizer
        self.model = model

    def __repr__(self) -> str:
        return (
            f"Run({str(self.path)!r}, cell={self.recipe.cell.use!r}, tokenizer={self.recipe.tokenizer.use!r})"
        )

    @property
    def _lines(self) -> bool:
        """Whether a text that is read is a set of documents, one a line."""
        return self.recipe.data.documents == "lines"

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`, in order."""
        return rundir.read_metrics(self.path)

    @property
    def provenance(self) -> dict[str, Any]:
        """What `provenance.json` says: versions, components, device, seed, fingerprints of the data."""
        described: dict[str, Any] = rundir.read_json(self.path / rundir.PROVENANCE)
        return described

    def generate(self, prompt: str | None = None, **options: Any) -> str:
        """The text that follows a prompt.

        Args:
            prompt: by default that of the recipe's `[sample]` table.
            options: `max_tokens, temperature, top_k, top_p, stop, seed` as in `seqkit.generate`; what
                is not given is taken from the `[sample]` table.
        """
        return "".join(self.stream(prompt, **options))

    def stream(self, prompt: str | None = None, **options: Any) -> Iterator[str]:
        """The same text in pieces, as they are made."""
        chosen = {**self.recipe.sample.model_dump(), **options}
        recipe_prompt = chosen.pop("prompt")
        return inference.stream(
            self.model, self.tokenizer, recipe_prompt if prompt is None else prompt, **chosen
        )

    def copies(self, count: int = 1000, *, seed: int = 0, **options: Any) -> inference.Copies:
        """Generate so many documents, and count how many are new and how many stand in the training split.

        Args:
            count: of documents, with the seeds `seed` to `seed + count - 1`.
            options: see `generate`; the temperature is 1 unless it is given.
        Raises:
            SourceError: the run was not trained on documents that are kept apart.
        """
        splits = build.split_text(self.recipe, build.open_source(self.recipe.source), self.recipe.data.split)
        if not splits.apart:
            raise SourceError(
                "the run was trained on one joined text: its documents have no end, and cannot be counted.\n"
                '  Train with data.documents="apart", or "lines".'
            )
        options = {"prompt": "", "temperature": 1.0, **options}
        texts = [self.generate(seed=seed + index, **options) for index in range(count)]
        return inference.count_copies(texts, ("".join(document) for document in splits.documents("train")))

    def novelty(self, text: str, *, shortest: int = 20) -> inference.Novelty:
        """The spans of a generated text that stand in the training split word for word.

        Args:
            text: without the prompt, which the model did not write.
            shortest: characters that a span has at least.
        Raises:
            SourceError: the recipe's source cannot be read.
        """
        (found,) = inference.measure_novelty([text], self.training_text(), shortest)
        return found

    def training_text(self) -> Iterator[str]:
        """The text of the training split, piece by piece, as the recipe's source gives it today."""
        splits = build.split_text(self.recipe, build.open_source(self.recipe.source), self.recipe.data.split)
        self._warn_of_changed_data(splits.source.fingerprint, "train")
        return splits.texts("train")

    def score(self, text: str | Iterable[str]) -> inference.Score:
        """What a text, or pieces of one, cost under the model; see `seqkit.score`.

        A run whose documents are lines reads each line as a document.
        """
        return inference.score(self.model, self.tokenizer, text, lines=self._lines)

    def score_blocks(self, text: str | Iterable[str]) -> Iterator[inference.ScoredBlock]:
        """The same block by block, for a text of any length: each part with its ids and their bits."""
        return inference.score_blocks(self.model, self.tokenizer, text, lines=self._lines)

    def states(self, text: str | Iterable[str], *, layer: int = -1) -> inference.States:
        """The output of every unit after each token of a text, with `plot` and `save`; see `States`.

        Args:
            text: a text, or pieces of it.
            layer: 0 is the one that reads the text, -1 the last.
        Raises:
            SourceError: the text is empty.
            OutOfRangeError: there is no such layer, or the values would take more than 2 GiB.
        """
        return inference.read_states(self.model, self.tokenizer, text, layer=layer, lines=self._lines)

    def evaluate(self, split: str = "test", data: str | Path | Sequence[str] | None = None) -> dict[str, Any]:
        """The loss on a whole split, by the run's state policy.

        Args:
            split: of the source that the recipe names.
            data: a text file to read whole, instead.
        Returns:
            `split, state, loss, tokens, bits_per_char, bits_per_byte, perplexity, unknown_characters`, and
            `loss_interval_95, bits_per_char_interval_95`: what another text of the kind and length might
            give, by 1,000 resamples of blocks of 1,000 positions (a tenth of the split, where that is
            less), always drawn alike; None for a split that is too short for one.
        Raises:
            SourceError: there is no such split.
        """
        if data is None:
            text = build.prepare_text(self.recipe, self.tokenizer)
        else:
            split = "all"
            splits = build.split_text(self.recipe, build.text_files(self.recipe, data), None)
            text = build.TextData(splits, self.tokenizer, build_corpus(splits, self.tokenizer))
        counts = text.corpus.counts.get(split)
        if counts is None:
            there = list(text.corpus.counts)
            raise SourceError(
                f"there is no {split} split; there is {', '.join(there)}: try --split {there[-1]}.\n"
                "  [data] split says how the text is cut; a missing split is never invented."
            )
        if data is None:
            self._warn_of_changed_data(text.splits.source.fingerprint, split)
        train = self.recipe.train
        batches = build.evaluation_batches(train, text, split)
        slices = LossSlices(in_lanes=train.state == "carry")
        metrics = evaluate(self.model, batches, state=train.state, precision=train.precision, slices=slices)
        ends = slices.interval_95(metrics["loss"])
        intervals = {
            "loss_interval_95": ends,
            "bits_per_char_interval_95": ends and [batches.metrics(end)["bits_per_char"] for end in ends],
        }
        unknown = {"unknown_characters": counts.unknown_characters}
        return {"split": split, "state": train.state, **metrics, **intervals, **unknown}

    def _warn_of_changed_data(self, fingerprint: str, split: str) -> None:
        if fingerprint != self.provenance["data"]["source"]:
            logger.warning("the data has changed since the run was trained: this is another %s split", split)


def train(
    recipe: Recipe | ResolvedRecipe | str | Path,
    out: str | Path | None = None,
    *,
    plugins: Sequence[Any] = (),
    strict_plugins: bool = False,
    callbacks: Sequence[object] = (),
) -> Run:
    """Train what a recipe describes, into a new run directory.

    Args:
        recipe: a recipe, or the name or the path of one.
        out: the directory; by default `runs/<recipe>`, then `runs/<recipe>-2`, ...
        plugins: besides the installed ones: files (`"./mycell.py"`), modules, or declarations such
            as `CellPlugin("mycell", MyConfig, MyCell)`; `"no:NAME"` blocks an installed one.
        strict_plugins: an exception in a behaviour hook stops training; else it is logged once.
        callbacks: see `Trainer`; one with a method `text_tokenised(characters, total)` is told how far
            the text is tokenised before training begins.
    Returns:
        The run, with its best weights where there was validation data, else its last ones.
    Raises:
        RecipeError: with every fault of the recipe.
        SourceError: the data cannot be read, or is too short.
        RunError: the directory holds something already.
        PluginError: a plugin that was given cannot be loaded.
        NonFiniteError: the loss or the gradient norm is not finite.
        KeyboardInterrupt: Ctrl-C; the weights of that moment, and the best ones, are kept in the run.
    """
    registry = registry_with(plugins)
    recipe = build.resolved(recipe, registry)
    device = build.choose_device(recipe.train.device)
    with build.seed_and_threads(recipe.train.seed, recipe.train.threads):
        data = build.prepare_text(recipe, on_progress=tell(callbacks))
        batches = build.training_batches(recipe.train, data)
        validation = build.validation_batches(recipe.train, data)
        build.warn_of_short_splits(recipe.train, batches, validation)
        model = build.make_model(recipe, data.tokenizer.vocab_size).to(device)
        run = Run(rundir.claim(out, recipe.name), recipe, data.tokenizer, model)
        logger.info("the run is in %s", run.path)
        described = _write_first_files(run, registry, data)
        hooks = BehaviourHooks(registry, strict_plugins)
        keeper = KeepWeights(run, hooks)
        log = MetricsLog(run.path / rundir.METRICS, recipe.train.log_every, batches)
        trainer = Trainer(
            model,
            **build.make_training(recipe.train, model),
            callbacks=[log, keeper, CallPlugins(run, hooks), *callbacks],
        )
        try:
            interrupted = _fit(trainer, batches, validation, recipe.train)
        except Exception:
            if not trainer.budget.step:
                shutil.rmtree(run.path)  # nothing was trained: the next try can have the name
            raise
    if interrupted:
        keeper.run_finished(trainer)
        log.run_finished(trainer)
    _finish(run, trainer, described)
    if interrupted:
        logger.warning(
            "interrupted at step %d; what was trained is kept in %s", trainer.budget.step, run.path
        )
        raise KeyboardInterrupt
    hooks.call("seqkit_run_finished", run=run)
    return run


def load(path: str | Path, device: str = "auto", *, plugins: Sequence[Any] = ()) -> Run:
    """Open a run directory; nothing else is read.

    Args:
        path: of the directory.
        device: where the model goes, whatever it was trained on.
        plugins: see `train`; a single-file plugin that the run was made with has to be given again.
    Returns:
        The run, with its best weights where there was validation data, else its last ones.
    Raises:
        RunError: there is no run, or it is incomplete or damaged.
        MissingPluginError: it was made with a plugin that is not installed, or not given.
    """
    path = Path(path)
    registry = registry_with(plugins)
    rundir.require_run(path)
    overrides = provenance.require_plugins(path, registry)
    recipe = Recipe.load(path / rundir.RECIPE).override(overrides).resolve(registry)
    tokenizer = build.open_tokenizer(recipe, rundir.read_json(path / rundir.TOKENIZER))
    model = build.make_model(recipe, tokenizer.vocab_size)
    best = checkpoint.best_checkpoint(path / rundir.CHECKPOINTS)
    checkpoint.load_weights(model, best, build.choose_device(device))
    return Run(path, recipe, tokenizer, model)


def _write_first_files(run: Run, registry: Registry, data: build.TextData) -> dict[str, Any]:
    """All that a run directory holds before the first step; the provenance is returned."""
    described = provenance.describe(run.recipe, registry, data, run.model)
    run.recipe.save(run.path / rundir.RECIPE)
    rundir.write_json(run.path / rundir.TOKENIZER, run.tokenizer.to_json())
    rundir.write_json(run.path / rundir.PROVENANCE, described)
    provenance.keep_plugin_texts(run.path, registry)
    data.warn_of_unknown_characters()
    return described


def _finish(run: Run, trainer: Trainer, described: Mapping[str, Any]) -> None:
    """The best weights into the model; the end into the provenance; the picture."""
    history = trainer.history
    if history.best is not None:
        run.model.load_state_dict(history.best.weights)
    ended = {
        "engine": run.model.engine_ran or run.model.engine,
        "ended_by": history.ended_by,
        "steps": trainer.budget.step,
        "training_s": history.training_s,
    }
    rundir.write_json(run.path / rundir.PROVENANCE, {**described, **ended})
    plot_loss(run.metrics, run.path / rundir.LOSS_PLOT, run.recipe.name)


def _fit(trainer: Trainer, batches: Any, validation: Any, train: TrainConfig) -> bool:
    """Train by the recipe; whether Ctrl-C ended it."""
    try:
        trainer.fit(
            batches,
            epochs=train.epochs,
            steps=train.steps,
            minutes=train.minutes,
            validation=validation,
            evaluate_every=train.evaluate_every,
            patience=train.patience,
        )
    except KeyboardInterrupt:
        trainer.history.ended_by = "an interrupt"
        return True
    return False
