"""Pictures, from plain numbers."""

from seqkit.plots.series import plot_calibration, plot_errors, plot_forecast, plot_returns
from seqkit.plots.training import plot_cells, plot_loss, plot_recipes

__all__ = [
    "plot_calibration",
    "plot_cells",
    "plot_errors",
    "plot_forecast",
    "plot_loss",
    "plot_recipes",
    "plot_returns",
]
