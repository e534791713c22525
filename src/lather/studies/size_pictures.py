"""Numbers against the size of the latent, with intervals over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lather.auditing.theme import CLASSES, Theme, blank, legend
from lather.studies.dimension_lines import Line
from lather.studies.sources import AGGREGATE, AROUND, PRIOR, REPAIRED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["rate_picture", "source_picture"]

_SOURCES = (PRIOR, AROUND, REPAIRED, AGGREGATE, "posteriors", "reconstruction")
_LABELS = {"posteriors": "new data's latents", "reconstruction": "reconstructions"}


def rate_picture(theme: Theme, lines: Sequence[Line]) -> Figure:
    """R, I and R/d against d, with log N."""
    figure, axes = blank(theme, 5.4, 3.8)
    d = [line.d for line in lines]
    whole = [line.rate for line in lines]
    axes.errorbar(d, [e.mean for e in whole], [e.half for e in whole], color=theme.data, marker="o", label="rate R")
    axes.plot(d, [line.mi.mean for line in lines], color=theme.faint, marker="s", markersize=4, label="of it, I(x; z)")
    axes.plot(d, [line.per_dimension for line in lines], color=theme.prior, marker="v", markersize=4, label="R / d")
    axes.axhline(lines[0].log_n, color=theme.ink, linestyle=":", linewidth=1.2, label=f"log N = {lines[0].log_n:.1f}")
    axes.set(yscale="log", ylabel="nats for each datum")
    _sizes(axes, lines)
    legend(axes, theme, loc="lower left")
    return figure


def source_picture(theme: Theme, lines: Sequence[Line]) -> Figure:
    """Fréchet distance of each source against d."""
    figure, axes = blank(theme, 5.4, 3.8)
    for i, name in enumerate(_SOURCES):
        known = [(line.d, line.distances[name]) for line in lines if name in line.distances]
        if known:
            values = [e.mean for _, e in known]
            look: dict[str, Any] = {
                "color": theme.prior if name == PRIOR else CLASSES[(3, 1, 2, 7, 4, 5)[i]],
                "marker": "osv^Dx"[i],
                "markersize": 4.5,
            }
            label = _LABELS.get(name, name)
            axes.errorbar([d for d, _ in known], values, [e.half for _, e in known], label=label, **look)
    axes.set(ylabel="Fréchet distance from new data", yscale="log")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.yaxis.set_minor_formatter(lambda y, _: f"{y:g}" if str(y)[0] in "25" else "")
    axes.tick_params(axis="y", which="minor", labelsize=8.5, colors=theme.faint)
    _sizes(axes, lines)
    legend(axes, theme, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 1.22))
    return figure


def _sizes(axes: Axes, lines: Sequence[Line]) -> None:
    axes.set_xscale("log")
    axes.set_xticks([line.d for line in lines], [line.label for line in lines])
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes.set_xlabel("latent size")
