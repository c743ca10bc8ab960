"""Tokenizers: the contract, and one token a character."""

from seqkit.tokenizers.base import Decoder, Tokenizer
from seqkit.tokenizers.char import CharTokenizer

__all__ = ["CharTokenizer", "Decoder", "Tokenizer"]
