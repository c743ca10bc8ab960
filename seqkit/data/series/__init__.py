"""Series of prices, from a source to batches.

    Series -> rows (features, target) -> dates of the splits -> scaler (training rows) -> stream, whole

The data up to the end of row t predicts row t + 1:

    row        t - 2    t - 1      t      t + 1
    features   ..........|.........|          the model reads these
    target                              |     and predicts this: its date decides the split
"""

from seqkit.data.series.dates import Cuts, choose_cuts
from seqkit.data.series.features import Features
from seqkit.data.series.preparing import PreparedSeries, prepare_series
from seqkit.data.series.rows import SymbolRows, make_rows
from seqkit.data.series.scaling import Scaler, SymbolScale
from seqkit.data.series.stream import RowStream
from seqkit.data.series.targets import TARGETS, Target

__all__ = [
    "TARGETS",
    "Cuts",
    "Features",
    "PreparedSeries",
    "RowStream",
    "Scaler",
    "SymbolRows",
    "SymbolScale",
    "Target",
    "choose_cuts",
    "make_rows",
    "prepare_series",
]
