"""What the compiled loops need to know without a compiler."""

from typing import Final

MOST_COLS: Final = 64
"""Width of a panel of a packed matrix, at most."""


class UnwritableError(Exception):
    """A step contains something other than kernels, matrix products and copies."""
