"""Tokenizers: the contract, one token a character, and one token a word."""

from seqkit.tokenizers.base import Decoder, Tokenizer
from seqkit.tokenizers.char import CharTokenizer
from seqkit.tokenizers.word import WordTokenizer

__all__ = ["CharTokenizer", "Decoder", "Tokenizer", "WordTokenizer"]
