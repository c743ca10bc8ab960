"""From a source to batches: split, corpus, lanes and windows."""

from seqkit.data.batches import Batch
from seqkit.data.corpus import Corpus, build_corpus
from seqkit.data.documents import DocumentSplits
from seqkit.data.lanes import Lanes, TokenStream, Windows
from seqkit.data.split import Splits, TextSplits
from seqkit.data.writing import TextCounts

__all__ = [
    "Batch",
    "Corpus",
    "DocumentSplits",
    "Lanes",
    "Splits",
    "TextCounts",
    "TextSplits",
    "TokenStream",
    "Windows",
    "build_corpus",
]
