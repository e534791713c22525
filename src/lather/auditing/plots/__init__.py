"""Plots of a report, one to a file: the small arrays it is made from, and the figure drawn from them.

Arrays go into ``report.npz`` and words (axis titles, names of classes) into ``report.json``; figures are drawn from
those alone, as often as wanted, light or dark, and never through pyplot.
"""

from __future__ import annotations

from lather.auditing.plots.columns import column_match
from lather.auditing.plots.distances import draw_distances
from lather.auditing.plots.ladder import ladder_bars
from lather.auditing.plots.map import draw_map, latent_map
from lather.auditing.plots.qq import draw_qq
from lather.auditing.plots.radius import draw_radius, radius_histogram
from lather.auditing.plots.rates import kl_bars
from lather.auditing.plots.roc import draw_roc
from lather.auditing.plots.spectrum import draw_spectrum

__all__ = [
    "column_match",
    "draw_distances",
    "draw_map",
    "draw_qq",
    "draw_radius",
    "draw_roc",
    "draw_spectrum",
    "kl_bars",
    "ladder_bars",
    "latent_map",
    "radius_histogram",
]
