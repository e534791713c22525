"""Models side by side: an estimate with its interval for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lather.auditing.theme import CLASSES, Theme, dress, legend
from lather.studies.estimate import Estimate
from lather.studies.measured import Measured, of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MARKS", "compared", "dots", "panels"]

MARKS = ("o", "s", "^", "D", "v", "P")


def panels(theme: Theme, count: int, width: float = 11.0, height: float = 3.7) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` dressed axes side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150, facecolor=theme.paper, layout="constrained")
    all_axes = list(np.ravel(figure.subplots(1, count)))
    for axes in all_axes:
        dress(axes, theme)
    return figure, all_axes


def dots(
    axes: Axes, kinds: Sequence[str], values: Mapping[str, Estimate], k: int, label: str, shift: float = 0
) -> None:
    """One estimate for each kind, with its interval where there is one, and the trainings themselves."""
    places = np.arange(len(kinds)) + shift
    found = [values[kind] for kind in kinds]
    color = CLASSES[k]
    means, halves = [e.mean for e in found], [e.half for e in found]
    axes.errorbar(
        places, means, yerr=halves, fmt=MARKS[k % len(MARKS)], color=color, markersize=5.5, capsize=3, linewidth=1.2,
        label=label,
    )  # fmt: skip
    for place, e in zip(places, found, strict=True):
        if len(e.values) > 1:
            axes.plot([place] * len(e.values), e.values, ".", color=color, alpha=0.35, markersize=5)


def compared(
    theme: Theme,
    measured: Measured,
    kinds: Sequence[str],
    shown: Sequence[tuple[str, str, Mapping[str, str]]],
    *,
    bands: Mapping[str, float] | None = None,
    log: bool = False,
) -> Figure:
    """Kinds of models side by side.

    Args:
        measured: everything measured.
        kinds: along the axis.
        shown: for each panel its title, its y axis and measure → label.
        bands: label → level of a dashed line in every panel.
        log: logarithmic y axes.
    """
    figure, all_axes = panels(theme, len(shown), height=3.9)
    for axes, (title, unit, measures) in zip(all_axes, shown, strict=True):
        offsets = np.linspace(-0.12, 0.12, len(measures)) if len(measures) > 1 else [0.0]
        for k, ((measure, label), shift) in enumerate(zip(measures.items(), offsets, strict=True)):
            dots(axes, kinds, {kind: of(measured, kind, measure) for kind in kinds}, k, label, float(shift))
        for label, level in (bands or {}).items():
            axes.axhline(level, color=theme.faint, linestyle="--", linewidth=1, label=label)
        axes.set_xticks(range(len(kinds)), [kind.replace(", ", ",\n") for kind in kinds], fontsize=8, color=theme.ink)
        axes.set(title=title, ylabel=unit)
        axes.grid(False, axis="x")
        axes.set_yscale("log") if log else axes.set_ylim(bottom=0)
        if len(measures) > 1 or bands:
            legend(axes, theme)
    return figure
