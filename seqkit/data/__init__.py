"""From a source to batches: split, corpus, lanes and windows."""

from seqkit.data.batches import Batch
from seqkit.data.corpus import Corpus, TextCounts, build_corpus
from seqkit.data.lanes import Lanes, Windows
from seqkit.data.split import TextSplits

__all__ = ["Batch", "Corpus", "Lanes", "TextCounts", "TextSplits", "Windows", "build_corpus"]
