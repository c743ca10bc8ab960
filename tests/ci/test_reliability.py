"""A run survives kills, other processes, and odd file systems; tests/slow has more of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import seqkit
from tests import reliability

FUZZED = [
    "recipe.toml",
    "provenance.json",
    "tokenizer.json",
    "metrics.jsonl",
    "ended.json",
    "checkpoints/*/MANIFEST.json",
    "checkpoints/*/training.json",
]


@pytest.fixture
def recipe(tiny_recipe: seqkit.Recipe) -> seqkit.Recipe:
    return tiny_recipe.override(reliability.CHANGES)


def test_a_kill_before_any_operation_of_a_save(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe, "whole")
    count = reliability.count_operations(recipe)
    assert count > 40
    for number in range(20):
        reliability.kill_before_operation(recipe, 1 + number * (count - 1) // 19)


def test_a_kill_where_a_directory_arrives_file_by_file(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe, "whole")
    for seed in range(10):
        reliability.kill_while_a_folder_is_copied(recipe, seed)


def test_of_three_processes_one_trains(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe, "whole")
    for seed in range(9):
        reliability.begin_twice(recipe, seed)


@pytest.mark.parametrize("seed", [0, 1])
def test_one_line_until_it_is_done(recipe: seqkit.Recipe, seed: int) -> None:
    reliability.one_line_until_it_is_done(recipe, seed)


@pytest.mark.parametrize("name", FUZZED)
def test_fuzzed_files(tiny_run: str, name: str) -> None:
    for seed in range(75):
        reliability.read_a_fuzzed_file(name, seed)


def test_fuzzed_scalers(shared: Callable[[str, Callable[[], object]], None], workdir: Path) -> None:
    from tests.run.test_series import recipe

    shared("series", lambda: seqkit.train(recipe(), "out"))
    for seed in range(75):
        reliability.read_a_fuzzed_file("series.json", seed)


def test_three_fresh_processes_change_no_bit(workdir: Path) -> None:
    reliability.resumed_in_fresh_processes(0, 16)
