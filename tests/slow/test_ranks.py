"""Several processes, the large figures: `make test-slow`."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

import seqkit
from tests.ci import test_cluster, test_ranks
from tests.ci.test_cluster import recipe  # noqa: F401  # a fixture
from tests.ci.test_ranks import SIGNALS, end_by_a_signal, start, workers
from tests.ranks import together
from tests.resumed import CELLS, KINDS
from tests.run.test_ranks import continued, digest, rows, same_rows, trained
from tests.run.test_series import recipe as prices
from tests.training.test_together import MODELS, require_the_same

PLUGINS = ["./cells.py", "seqkit_gated"]


@pytest.mark.parametrize("rows", [[16, 16], [20, 12], [31, 1], [32, 0]], ids=str)
@pytest.mark.parametrize("engine", ["loop", "fused"])
@pytest.mark.parametrize("name", list(MODELS)[:7])
def test_gradients(name: str, engine: str, rows: list[int]) -> None:
    require_the_same(rows, name, engine, "carry")


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
@pytest.mark.parametrize("kind", ["carry", "reset", "prices"])
def test_whole_runs(tiny_recipe: seqkit.Recipe, kind: str, cell: str, world: int) -> None:
    if kind == "prices":
        chosen = prices().override([f"cell.use={cell}"])
    else:
        chosen = tiny_recipe.override([f"train.state={kind}", f"cell.use={cell}"])
    trained(chosen, "one", "seqkit_gated")
    together(world, trained, chosen, "several", "seqkit_gated")
    same_rows("several", "one")
    assert {path.name for path in Path("one").iterdir()} == {path.name for path in Path("several").iterdir()}


@pytest.mark.parametrize("stop", [13, 23, 28, 39])
@pytest.mark.parametrize(("world", "kind"), [(2, "rnn"), (3, "lstm-lstm"), (3, "dict"), (4, "stateless")])
def test_resumed_bit_for_bit(tiny_recipe: seqkit.Recipe, world: int, kind: str, stop: int) -> None:
    Path("cells.py").write_text(CELLS)
    chosen = tiny_recipe.override([*KINDS[kind], "model.dropout=0.3", "train.save_every=13"])
    together(world, trained, chosen.override(["train.steps=41"]), "whole", *PLUGINS)
    together(world, trained, chosen.override([f"train.steps={stop}"]), "parts", *PLUGINS)
    together(world, continued, "parts", ["train.steps=41"], *PLUGINS)
    assert digest("parts") == digest("whole")


@pytest.mark.parametrize("seed", range(8))
def test_elastic(tiny_recipe: seqkit.Recipe, seed: int) -> None:
    chance = random.Random(seed)
    stops = sorted(chance.sample(range(3, 62), 3))
    trained(tiny_recipe.override(["train.steps=65"]), "one")
    trained(tiny_recipe.override([f"train.steps={stops[0]}"]), "elastic")
    for world, steps in zip((2, 4), stops[1:], strict=True):
        together(world, continued, "elastic", [f"train.steps={steps}"])
    continued("elastic", ["train.steps=65"])
    one, elastic = (
        [row["loss"] for row in rows(path) if row["split"] != "train"] for path in ("one", "elastic")
    )
    np.testing.assert_allclose(elastic[-1], one[-1], rtol=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_a_rank_that_is_killed(recipe: seqkit.Recipe, seed: int) -> None:  # noqa: F811  # the fixture
    import os
    import signal
    import time

    from tests.ci.test_ranks import TORCHRUN, steps_of

    chance = random.Random(seed)
    process = start("--resume", launcher=[*TORCHRUN, "--max-restarts", "1"])
    while not steps_of("out"):
        time.sleep(0.05)
    time.sleep(chance.uniform(0, 2))
    ranks = workers(process)
    if len(ranks) == 2:
        os.kill(ranks[seed % 2], signal.SIGKILL)
    printed = process.communicate(timeout=120)[0]
    assert process.returncode == 0, printed
    together(2, trained, recipe, "whole")
    assert digest("out") == digest("whole")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("whom", "number", "code"), SIGNALS)
def test_signals(recipe: seqkit.Recipe, whom: str, number: int, code: int, seed: int) -> None:  # noqa: F811
    end_by_a_signal(recipe, whom, number, code, random.Random(seed).uniform(0, 2))


@pytest.mark.parametrize("again", range(2))
def test_two_machines(recipe: seqkit.Recipe, again: int) -> None:  # noqa: F811
    test_ranks.test_two_machines_without_a_common_directory(recipe)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("way", test_cluster.WAYS)
def test_schedulers(recipe: seqkit.Recipe, way: str, seed: int) -> None:  # noqa: F811  # the fixture
    test_cluster.stop_and_repeat(recipe, way, 1 + (seed == 0), seed)
