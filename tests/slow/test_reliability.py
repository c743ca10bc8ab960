"""The figures of docs/reliability.md: `make test-slow`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import seqkit
from tests import reliability
from tests.ci.test_kills import kill_at_random_moments
from tests.ci.test_reliability import FUZZED
from tests.training import test_damage


@pytest.fixture
def recipe(tiny_recipe: seqkit.Recipe) -> seqkit.Recipe:
    return tiny_recipe.override(reliability.CHANGES)


@pytest.mark.parametrize("ten", range(10))
def test_a_kill_before_any_operation_of_a_save(recipe: seqkit.Recipe, ten: int) -> None:
    seqkit.train(recipe, "whole")
    count = reliability.count_operations(recipe)
    for number in range(10):
        reliability.kill_before_operation(recipe, 1 + (10 * ten + number) * (count - 1) // 99)


@pytest.mark.parametrize("seed", range(5))
def test_twenty_kills_at_random_moments(tiny_recipe: seqkit.Recipe, seed: int) -> None:
    kill_at_random_moments(tiny_recipe, 20, seed, steps=6000)


@pytest.mark.parametrize("hundred", range(30))
def test_flipped_bytes(workdir: Path, hundred: int) -> None:
    test_damage.flip_bytes(workdir, 100, seed=hundred + 1)


@pytest.mark.parametrize("hundred", range(5))
def test_truncated_zeroed_deleted_and_swapped_files(workdir: Path, hundred: int) -> None:
    test_damage.damage_files(workdir, 100, seed=hundred + 2)


def test_any_sequence_of_save_kill_damage_and_prune(workdir: Path) -> None:
    test_damage.run_store(workdir, 1000)


@pytest.mark.parametrize("twenty", range(3))
def test_of_three_processes_one_trains(recipe: seqkit.Recipe, twenty: int) -> None:
    seqkit.train(recipe, "whole")
    for seed in range(20 * twenty, 20 * twenty + 20):
        reliability.begin_twice(recipe, seed)


@pytest.mark.parametrize("ten", range(5))
def test_a_kill_where_a_directory_arrives_file_by_file(recipe: seqkit.Recipe, ten: int) -> None:
    seqkit.train(recipe, "whole")
    for seed in range(10 * ten + 10, 10 * ten + 20):
        reliability.kill_while_a_folder_is_copied(recipe, seed)


@pytest.mark.parametrize("name", FUZZED)
@pytest.mark.parametrize("part", range(10))
def test_fuzzed_files(tiny_run: str, name: str, part: int) -> None:
    for seed in range(250 * part + 100, 250 * part + 350):
        reliability.read_a_fuzzed_file(name, seed)


@pytest.mark.parametrize("part", range(10))
def test_fuzzed_scalers(
    shared: Callable[[str, Callable[[], object]], None], workdir: Path, part: int
) -> None:
    from tests.run.test_series import recipe

    shared("series", lambda: seqkit.train(recipe(), "out"))
    for seed in range(250 * part + 100, 250 * part + 350):
        reliability.read_a_fuzzed_file("series.json", seed)


@pytest.mark.parametrize("part", range(3))
def test_three_fresh_processes_change_no_bit(workdir: Path, part: int) -> None:
    reliability.resumed_in_fresh_processes(16 * part + 16, 16 * part + 32)


def test_ten_minutes_of_training_stopping_resuming_and_reading(recipe: seqkit.Recipe) -> None:
    reliability.soak(recipe, minutes=10)
