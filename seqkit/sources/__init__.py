"""Sources: the contract, text files, and samples that are on every machine."""

from seqkit.sources.base import Piece, Source, TextSource
from seqkit.sources.samples import PythonDocs
from seqkit.sources.text import TextFiles

__all__ = ["Piece", "PythonDocs", "Source", "TextFiles", "TextSource"]
