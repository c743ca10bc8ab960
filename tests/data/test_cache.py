import json
from pathlib import Path

import pytest

from seqkit.caching import cache_dir
from seqkit.data import TextSplits
from seqkit.data.cache import trained_tokenizer
from seqkit.sources import TextFiles
from seqkit.tokenizers import CharTokenizer, WordTokenizer


def test_a_tokenizer_is_trained_once(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = TextSplits(TextFiles(text_file))
    first = trained_tokenizer(splits, CharTokenizer, {"errors": "strict"})
    monkeypatch.setattr(CharTokenizer, "train", None)
    again = trained_tokenizer(splits, CharTokenizer, {"errors": "strict"})
    assert isinstance(again, CharTokenizer)
    assert again.to_json() == first.to_json()
    assert again.errors == "strict"


def test_other_options_text_or_class_train_again(text_file: Path) -> None:
    splits = TextSplits(TextFiles(text_file))
    trained_tokenizer(splits, WordTokenizer, {"min_count": 1})
    trained_tokenizer(splits, WordTokenizer, {"min_count": 50})
    trained_tokenizer(TextSplits(splits.source, (0.5, 0.5, 0.0)), WordTokenizer, {"min_count": 1})
    trained_tokenizer(splits, CharTokenizer, {})
    assert len(list((cache_dir() / "tokenizers").glob("*.json"))) == 4


def test_a_class_that_changed_trains_again(workdir: Path, text_file: Path) -> None:
    splits = TextSplits(TextFiles(text_file))
    for code in ("", "# changed"):
        (workdir / "mine.py").write_text(
            f"from seqkit.tokenizers import CharTokenizer\nclass Mine(CharTokenizer):\n    pass\n{code}\n"
        )
        namespace: dict[str, type[CharTokenizer]] = {"__name__": "mine"}
        exec(compile((workdir / "mine.py").read_text(), str(workdir / "mine.py"), "exec"), namespace)
        trained_tokenizer(splits, namespace["Mine"], {})
    assert not (cache_dir() / "tokenizers").exists()  # its file is unknown: it is trained every time


def test_a_file_that_is_cut_short_is_made_again(text_file: Path) -> None:
    splits = TextSplits(TextFiles(text_file))
    trained_tokenizer(splits, CharTokenizer, {})
    (path,) = (cache_dir() / "tokenizers").glob("*.json")
    path.write_text(path.read_text("utf-8")[:40], "utf-8")
    trained_tokenizer(splits, CharTokenizer, {})
    assert json.loads(path.read_text("utf-8"))["characters"]
