"""Compiled loops on disk: what is damaged, foreign or cannot be written is never used."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from seqkit import caching
from seqkit.engine.compile import store

LIBRARY = bytes(range(256)) * 40
VALUES = {"sizes": [8, 16]}


@pytest.fixture
def file(workdir: Path) -> Path:
    store.keep("a" * 64, VALUES, LIBRARY)
    return store.folder() / ("a" * 64)


def found() -> object:
    return store.find("a" * 64)


def test_what_is_kept_is_found(file: Path) -> None:
    assert found() == (VALUES, LIBRARY)
    assert store.find("b" * 64) is None
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(file.parent) == [file.name]


@pytest.mark.parametrize("seed", range(10))
def test_a_damaged_file_is_removed(file: Path, seed: int) -> None:
    chance, whole = random.Random(seed), file.read_bytes()
    for _ in range(20):
        data = bytearray(whole)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        else:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        assert found() is None
        assert not file.exists()
        store.keep("a" * 64, VALUES, LIBRARY)
        assert found() == (VALUES, LIBRARY)


def _writable_by_others(folder: Path) -> None:
    folder.chmod(0o777)


def _a_link(folder: Path) -> None:
    folder.rename("elsewhere")
    folder.symlink_to(Path("elsewhere").resolve())


def _of_another_user(folder: Path) -> None:
    os.chown(folder, 12345, 12345)


@pytest.mark.parametrize("make", [_writable_by_others, _a_link, _of_another_user])
def test_a_folder_of_others_is_not_used(
    file: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    if make is _of_another_user and os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    make(file.parent)
    assert found() is None
    store.keep("a" * 64, VALUES, LIBRARY)
    assert "each process compiles" in caplog.text
    assert found() is None


def test_a_folder_that_cannot_be_written(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caching.cache_dir().write_text("a file in its place")
    store.keep("a" * 64, VALUES, LIBRARY)
    assert found() is None
    assert "cannot be kept" in caplog.text


def test_a_full_disk(file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    store.keep("b" * 64, VALUES, LIBRARY)
    assert store.find("b" * 64) is None
    assert os.listdir(file.parent) == [file.name]
    assert "No space left on device" in caplog.text


def test_the_least_recently_used_are_removed(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_BYTES", 4 * len(LIBRARY))
    for number in range(6):
        store.keep(f"{number}", VALUES, LIBRARY)
        os.utime(store.folder() / f"{number}", (number, number))
        assert store.find("0") is not None  # which is a use
    assert sorted(os.listdir(store.folder())) == ["0", "4", "5"]


def test_threads_that_write_the_same(workdir: Path) -> None:
    def work() -> None:
        for _ in range(50):
            store.keep("a" * 64, VALUES, LIBRARY)
            assert found() == (VALUES, LIBRARY)

    failures: list[object] = []
    threads = [threading.Thread(target=work) for _ in range(4)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", failures.append)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures
    assert len(os.listdir(store.folder())) == 1


def test_the_cache_is_cleared(file: Path) -> None:
    kept = {each.holds: each for each in caching.kept()}
    assert kept["compiled steps"].entries == 1
    assert kept["compiled steps"].size_bytes > len(LIBRARY)
    assert kept["tokenised texts"].entries == 0
    caching.clear()
    assert not any(each.entries for each in caching.kept())
    assert found() is None
