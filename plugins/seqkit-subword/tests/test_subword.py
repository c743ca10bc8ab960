import numpy as np
import pytest
from seqkit_subword.bpe import BPETokenizer
from seqkit_subword.byte import ByteTokenizer

import seqkit
from seqkit.testing import TokenizerCase, parametrize_with_checks

TEXT = "the cat sat on the mat, and the dog sat on the cat.\n" * 20


@parametrize_with_checks([TokenizerCase("byte"), TokenizerCase("bpe", vocab_size=300, min_frequency=1)])
def test_conformance(check):
    check()


def test_bytes_are_bytes():
    tokenizer = ByteTokenizer.train([])
    assert tokenizer.encode("é\0").tolist() == [0xC3, 0xA9, 0]
    assert tokenizer.decode([0xC3]) == "\ufffd"
    assert tokenizer.start_id == ord("\n")


def test_frequent_words_become_tokens():
    tokenizer = BPETokenizer.train([TEXT], vocab_size=300)
    assert tokenizer.vocab_size <= 300
    assert len(tokenizer.encode(TEXT)) < len(TEXT) / 2.5
    assert len(tokenizer.encode(" the")) == 1


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), BPETokenizer.train([TEXT])], ids=["byte", "bpe"])
def test_invalid_text_does_not_crash(tokenizer):
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a?b"


def test_a_character_of_several_tokens_is_streamed_whole():
    tokenizer = BPETokenizer.train([TEXT])
    decoder = tokenizer.decoder()
    ids = tokenizer.encode("👩‍👩‍👧 ok").tolist()
    assert len(ids) > 10
    pieces = [decoder.push(token) for token in ids]
    assert "".join(pieces) + decoder.flush() == "👩‍👩‍👧 ok"
    assert not any("\ufffd" in piece for piece in pieces)


def test_a_text_without_spaces_is_cut_nowhere():
    assert BPETokenizer.train([TEXT]).safe_cut("x" * 100) == 0
    assert BPETokenizer.train([TEXT]).safe_cut("one two  three") == len("one two")


def test_its_recipe_trains(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKIT_CACHE", str(tmp_path / "cache"))
    recipe = seqkit.Recipe.load("subword").override(
        ["train.steps=3", "cell.hidden_size=8", "tokenizer.vocab_size=300"]
    )
    run = seqkit.train(recipe, tmp_path / "run")
    again = seqkit.load(run.path)
    assert np.array_equal(again.tokenizer.encode(TEXT), run.tokenizer.encode(TEXT))
    assert again.generate("The ", max_tokens=5) == run.generate("The ", max_tokens=5)
    metrics = run.evaluate("test")
    assert (
        metrics["bits_per_char"] < metrics["loss"] / 0.693
    )  # on average, a token has more than one character
