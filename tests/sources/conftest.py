"""Datasets for tests, without a network and without the user's cache."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from seqkit.sources import HubDataset

Write = Callable[..., str]


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of `datasets`; the Hub is not contacted. (The environment is read only at import.)"""
    import datasets
    from huggingface_hub import constants

    cache = tmp_path / "huggingface" / "datasets"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", tmp_path / "huggingface" / "modules")
    for module in (datasets.config, constants):
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", True)
    return cache


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries assume to be online, but every connection fails."""
    import socket

    import datasets
    from huggingface_hub import constants

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    for module in (datasets.config, constants):
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def write(path: str, rows: Iterable[dict[str, Any]] | str | bytes) -> str:
    """Write rows to a file in the format of its extension."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if isinstance(rows, str | bytes):
        Path(path).write_bytes(rows.encode() if isinstance(rows, str) else rows)
    elif path.endswith((".jsonl", ".jsonl.gz")):
        data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        Path(path).write_bytes(gzip.compress(data) if path.endswith(".gz") else data)
    elif path.endswith(".json"):
        Path(path).write_text(json.dumps(list(rows)), "utf-8")
    else:
        import datasets

        table = datasets.Dataset.from_list(list(rows))
        if path.endswith(".parquet"):
            table.to_parquet(path)
        elif path.endswith((".csv", ".tsv")):
            table.to_csv(path, sep="\t" if path.endswith(".tsv") else ",", index=False)
        else:
            table.save_to_disk(path)
    return path


def read(*args: Any, **options: Any) -> dict[str, list[str]]:
    """The documents of every split."""
    source = HubDataset(*args, **options)
    return {split: list(source.documents(split)) for split in source.splits}
