"""Large text files: how fast they are made into a corpus, and how much memory that takes."""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from seqkit.resources import peak_growth, require_linux

LINE_WORDS = 12
VOCABULARY = 20_000
STEPS = 20


def measure(megabytes: int = 200, tokenizers: tuple[str, ...] = ("char", "word")) -> list[dict[str, Any]]:
    """Tokenise a generated text, and train on it for a few steps, in a new process for each tokenizer.

    The model has 64 units and the word tokenizer 1,000 tokens, so that mainly the text is measured.

    Args:
        megabytes: size of the text.
        tokenizers: names of the tokenizers.
    Returns:
        A row for each tokenizer: the seconds from a file to a corpus in the cache, the megabytes per second,
        and the growth of the process's peak memory. The growth includes the training, but not what was loaded
        before.
    Raises:
        SeqkitError: the system does not report the peak memory of a process.
    """
    require_linux()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = write_text(Path(folder, "text.txt"), megabytes)
        for name in tokenizers:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                seconds, growth = process.submit(_prepare_and_train, str(path), name, folder).result()
            rows.append(
                {
                    "tokenizer": name,
                    "megabytes": megabytes,
                    "seconds": seconds,
                    "megabytes_per_s": megabytes / seconds,
                    "peak_growth_megabytes": growth,
                }
            )
    return rows


def write_text(path: Path, megabytes: int, seed: int = 0) -> Path:
    """Write a text of this size: lines of random words, of which few are frequent and many rare."""
    draw = random.Random(seed)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = [
        "".join(draw.choices(letters, range(26, 0, -1), k=draw.randint(2, 10))) for _ in range(VOCABULARY)
    ]
    weights = [1 / (rank + 3) for rank in range(VOCABULARY)]
    block = []
    for _ in range(10_000):
        block.append(" ".join(draw.choices(words, weights, k=LINE_WORDS)) + "\n")
    left = megabytes * 1_000_000
    with path.open("w", encoding="ascii") as file:
        while left > 0:
            draw.shuffle(block)
            left -= file.write("".join(block)[:left])
    return path


def _prepare_and_train(path: str, tokenizer: str, cache: str) -> tuple[float, float]:
    import os

    import torch

    from seqkit import Recipe
    from seqkit.run.setup import make_training
    from seqkit.tasks.components import make_model
    from seqkit.tasks.text import TextTask, prepare_text
    from seqkit.training import Trainer

    os.environ["SEQKIT_CACHE"] = cache
    torch.set_num_threads(1)
    changes = [f"tokenizer.use={tokenizer}", "cell.hidden_size=64", "model.encoder=embedding"]
    if tokenizer == "word":
        changes.append("tokenizer.max_vocab=1000")
    recipe = Recipe.load("char-rnn").with_data(path).override(changes).resolve()
    seconds = 0.0

    def work() -> None:
        nonlocal seconds
        began = time.perf_counter()
        data = prepare_text(recipe)
        seconds = time.perf_counter() - began
        model = make_model(recipe, TextTask().sizes(data.tokenizer))
        trainer = Trainer(model, **make_training(recipe.train, model))
        trainer.fit(data.training_batches(recipe.train), steps=STEPS)

    growth = peak_growth(work)
    return seconds, growth
