"""Plots, as bytes: the same records give the same bytes."""

from reports.plots.dimensions import plot_dimensions
from reports.plots.picture import Picture
from reports.plots.pictures import board_pictures, model_pictures, task_pictures

__all__ = ["Picture", "board_pictures", "model_pictures", "plot_dimensions", "task_pictures"]
