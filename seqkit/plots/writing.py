"""Writing a picture."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from seqkit.files import replacing


def write(figure: Figure, path: Path) -> None:
    """Write a picture, in the format of its suffix, in place of an old one.

    Raises:
        SaveError: it cannot be written.
    """
    with replacing(path) as partial:
        figure.savefig(partial, dpi=120, format=path.suffix[1:] or "png")
