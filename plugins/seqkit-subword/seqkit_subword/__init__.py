"""Byte and byte-pair tokenizers, declared; their libraries are imported when one is used."""

from pathlib import Path

from pydantic import Field

from seqkit.plugin import RecipePlugin, TokenizerConfig, TokenizerPlugin, hookimpl

RECIPES = Path(__file__).parent / "recipes"


class ByteConfig(TokenizerConfig):
    """One token a byte of UTF-8: any text, 256 tokens, nothing unknown."""


class BPEConfig(TokenizerConfig):
    """Byte-pair encoding over bytes: any text, nothing unknown."""

    vocab_size: int = Field(default=1024, ge=256)
    """The 256 bytes, and then the merged pairs."""
    min_frequency: int = Field(default=2, ge=1)
    """How often a pair has to stand in the training text to be merged."""


@hookimpl
def seqkit_tokenizers() -> list[TokenizerPlugin]:
    """`byte` and `bpe`."""
    return [
        TokenizerPlugin("byte", ByteConfig, "seqkit_subword.byte:ByteTokenizer"),
        TokenizerPlugin("bpe", BPEConfig, "seqkit_subword.bpe:BPETokenizer"),
    ]


@hookimpl
def seqkit_recipes() -> list[RecipePlugin]:
    """`subword`."""
    return [RecipePlugin(path.stem, path) for path in sorted(RECIPES.glob("*.toml"))]
