"""Any script: train, score, generate, and inspect the states."""

from pathlib import Path

import pytest

import seqkit

TEXTS = {
    "Chinese": "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。\n寒来暑往，秋收冬藏。𠮷𠮷\n",
    "Japanese": "いろはにほへと　ちりぬるを。カタカナとｶﾞ漢字、か\u3099も。\n",
    "Russian": "Все счастливые семьи похожи друг на друга, Йй и\u0306 е\u0308.\n",
    "emoji": "one 👩\u200d👩\u200d👧 two 👍🏽 three ❤\ufe0f e\u0301 a\u0308\u0323 🇫🇷 ok\u0000\ufffd\n",
    "Arabic and Hindi": "في البدء كان الكلمة; नमस्ते दुनिया\n",
}
TOKENIZERS = {"char": "tokenizer.use=char", "word": "tokenizer.use=word", "spell": "tokenizer.unknown=spell"}


@pytest.fixture(params=TEXTS, ids=str.lower)
def text(request: pytest.FixtureRequest) -> str:
    return TEXTS[request.param] * 30


@pytest.fixture(params=TOKENIZERS)
def run(request: pytest.FixtureRequest, text: str, tiny_recipe: seqkit.Recipe) -> seqkit.Run:
    Path("script.txt").write_text(text, "utf-8")
    overrides = [TOKENIZERS[request.param], "train.steps=4", "train.seq_len=10", "train.batch_size=4"]
    if request.param == "spell":
        overrides.insert(0, "tokenizer.use=word")
    return seqkit.train(tiny_recipe.with_data("script.txt").override(overrides), "out")


def test_it_is_read_and_written_whole(run: seqkit.Run, text: str) -> None:
    ids = run.tokenizer.encode(text)
    assert run.tokenizer.decode(ids) == text
    decoder = run.tokenizer.decoder()
    assert "".join([*map(decoder.push, ids.tolist()), decoder.flush()]) == text

    score = run.score(text)
    assert (score.tokens, score.unknown, len(score.surprisal)) == (len(ids), 0, len(ids))
    assert score.bits_per_char / score.bits_per_byte == pytest.approx(len(text.encode()) / len(text))
    assert run.score(iter(text)).bits_per_char == score.bits_per_char  # character by character

    pieces = list(run.stream(text[:20], max_tokens=60, temperature=1.0))
    assert "".join(pieces) == run.generate(text[:20], max_tokens=60, temperature=1.0)
    assert all(piece and piece.encode("utf-8") for piece in pieces)
    # Only whole characters of the text; white space is always in a vocabulary of words.
    assert set("".join(pieces)) <= {*text, *" \t\n\r"}

    line = text.partition("\n")[0]
    states = run.states(line)
    assert states.text == line
    states.plot(0, "unit.png")
