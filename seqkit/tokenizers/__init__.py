"""Tokenizers: the contract, one token per character, and one token per word."""

from seqkit.tokenizers.base import Decoder, Tokenizer
from seqkit.tokenizers.char import CharTokenizer
from seqkit.tokenizers.word import WordTokenizer

__all__ = ["CharTokenizer", "Decoder", "Tokenizer", "WordTokenizer"]
