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

__all__ = ["MARKS", "broken", "compared", "dots", "panels"]

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
        axes.set_xticks(range(len(kinds)), [broken(kind) for kind in kinds], fontsize=8, color=theme.ink)
        axes.set(title=title, ylabel=unit)
        axes.grid(False, axis="x")
        _limit(axes, [of(measured, kind, name) for kind in kinds for name in measures], log=log)
        if len(measures) > 1 or bands:
            legend(axes, theme)
    return figure


def broken(kind: str) -> str:
    """A kind's name in lines short enough to stand under an axis.

    Example:
        >>> broken("VAE: VampPrior"), broken("σ = 1")
        ('VAE:\\nVampPrior', 'σ = 1')
    """
    return kind.replace(", ", ",\n").replace(": ", ":\n")


def _limit(axes: Axes, found: Sequence[Estimate], *, log: bool) -> None:
    """From 0 to beyond the largest mean; intervals of few seeds may be so wide that nothing else would be seen."""
    means = [e.mean for e in found if np.isfinite(e.mean)]
    if log:
        axes.set_yscale("log")
    elif means and max(means) > 0:
        highest = max((e.high for e in found if np.isfinite(e.high)), default=0.0)
        axes.set_ylim(0, min(max(1.05 * highest, 1.15 * max(means)), 1.7 * max(means)))
