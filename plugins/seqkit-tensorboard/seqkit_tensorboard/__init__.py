"""TensorBoard logs of every run: scalars and generated samples, with behaviour hooks only.

    tensorboard --logdir runs

Everything is written to `tensorboard/` in the run directory. tensorboard is imported when a run begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqkit.plugin import RecipePlugin, hookimpl

if TYPE_CHECKING:
    from seqkit.plugin import Run

RECIPES = Path(__file__).parent / "recipes"
EVERY = 10  # steps between the scalars of training
SAMPLE_TOKENS = 200

_writers: dict[Path, Any] = {}


@hookimpl
def seqkit_recipes() -> list[RecipePlugin]:
    """`quickstart-tensorboard`."""
    return [RecipePlugin(path.stem, path) for path in sorted(RECIPES.glob("*.toml"))]


@hookimpl
def seqkit_run_started(run: Run) -> None:
    """Open the log."""
    from torch.utils.tensorboard import SummaryWriter

    writer = _writers[run.path] = SummaryWriter(str(run.path / "tensorboard"))
    writer.add_text("recipe", _as_block((run.path / "recipe.toml").read_text("utf-8")))


@hookimpl
def seqkit_step_finished(run: Run, step: int, metrics: Mapping[str, Any]) -> None:
    """Log the scalars of training."""
    if step % EVERY == 0 or step == 1:
        for name in ("loss", "gradient_norm", "learning_rate"):
            _writers[run.path].add_scalar(f"train/{name}", metrics[name], step)


@hookimpl
def seqkit_evaluated(run: Run, step: int, split: str, metrics: Mapping[str, Any]) -> None:
    """Log the scalars of an evaluation and, for a run on text, a sample of generated text."""
    writer = _writers[run.path]
    for name in ("loss", "bits_per_char", "perplexity"):
        if name in metrics:
            writer.add_scalar(f"{split}/{name}", metrics[name], step)
    if hasattr(run, "generate"):  # a run on series has no text
        prompt = run.recipe.sample.prompt
        writer.add_text("sample", _as_block(prompt + run.generate(max_tokens=SAMPLE_TOKENS)), step)


@hookimpl
def seqkit_run_finished(run: Run) -> None:
    """Close the log."""
    _writers.pop(run.path).close()


def _as_block(text: str) -> str:
    """The text as a Markdown code block, which TensorBoard shows unchanged."""
    return "\n".join(f"    {line}" for line in text.splitlines())
