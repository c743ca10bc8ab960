"""Characters of several tokens are scored, generated and shown whole."""

import pytest

import seqkit
from seqkit.inference.spelling import token_texts, whole_characters

TEXT = "天地玄黄，カタカナ ж и\u0306 👩\u200d👧 👍🏽 e\u0301 ok\n" * 40


@pytest.fixture(params=["byte", "bpe"])
def run(request, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "script.txt").write_text(TEXT, "utf-8")
    recipe = seqkit.Recipe.load("subword").with_data(tmp_path / "script.txt")
    overrides = [f"tokenizer.use={request.param}", "train.steps=4", "cell.hidden_size=8", "train.seq_len=20"]
    if request.param == "bpe":
        overrides.append("tokenizer.vocab_size=270")
    return seqkit.train(recipe.override(overrides), tmp_path / "run")


def test_the_texts_of_tokens_form_whole_characters(run):
    ids = run.tokenizer.encode(TEXT)
    texts = token_texts(run.tokenizer, TEXT, ids)
    assert len(texts) == len(ids) == run.score(TEXT).tokens > 1000
    assert "".join(texts) == TEXT
    assert all(not text or text.encode("utf-8") for text in texts)
    groups = whole_characters(texts)
    assert sum(count for _, count in groups) == len(ids)
    assert {"天", "👩\u200d👧", "e\u0301"} <= {text.strip() for text, _ in groups}


def test_streamed_pieces_are_valid_and_complete_text(run):
    pieces = list(run.stream("天地", max_tokens=200, temperature=1.0, seed=3))
    assert "".join(pieces) == run.generate("天地", max_tokens=200, temperature=1.0, seed=3)
    assert all(piece and piece.encode("utf-8") for piece in pieces)
    decoder = run.tokenizer.decoder()
    known = [decoder.push(token) for token in run.tokenizer.encode(TEXT).tolist()]
    assert "".join(known) + decoder.flush() == TEXT
    assert not any("\ufffd" in piece for piece in known)


def test_a_picture_shows_characters(run, tmp_path):
    states = run.states(TEXT[:200])
    assert states.text == TEXT[:200]
    states.plot(1, tmp_path / "unit.png")
    assert (tmp_path / "unit.png").read_bytes().startswith(b"\x89PNG")
