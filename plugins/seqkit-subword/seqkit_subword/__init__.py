"""Declarations of byte and byte-pair tokenizers; their libraries are imported only when one is used."""

from pathlib import Path

from pydantic import Field

from seqkit.plugin import RecipePlugin, TokenizerConfig, TokenizerPlugin, hookimpl

RECIPES = Path(__file__).parent / "recipes"


class ByteConfig(TokenizerConfig):
    """One token per byte of UTF-8: any text, 256 tokens, no unknown characters."""


class BPEConfig(TokenizerConfig):
    """Byte-pair encoding over bytes: any text, no unknown characters."""

    vocab_size: int = Field(default=1024, ge=256)
    """Size of the vocabulary: the 256 bytes and the merged pairs."""
    min_frequency: int = Field(default=2, ge=1)
    """Smallest number of occurrences in the training text for a pair to be merged."""


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
