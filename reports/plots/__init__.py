"""Plots, as bytes: the same records give the same bytes."""

from reports.plots.dimensions import plot_dimensions
from reports.plots.picture import Picture

__all__ = ["Picture", "plot_dimensions"]
