"""Sources: the contract, text files, Hugging Face datasets, and samples that are on every machine."""

from seqkit.sources.base import Piece, Source, TextSource
from seqkit.sources.hub import HubDataset
from seqkit.sources.samples import PythonDocs
from seqkit.sources.text import TextFiles

__all__ = ["HubDataset", "Piece", "PythonDocs", "Source", "TextFiles", "TextSource"]
