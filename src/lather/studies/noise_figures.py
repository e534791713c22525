"""The pictures of the study of noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lather.auditing.theme import CLASSES, Theme, dress, legend
from lather.studies.estimate import Estimate, estimate
from lather.studies.noise_claims import Measured, of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compared", "curves", "drifts", "saturation"]

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


def drifts(theme: Theme, histories: Mapping[str, Sequence[Sequence[float]]], still: float) -> Figure:
    """Step of the latents from epoch to epoch, relative to their spread; one line for each kind, mean over seeds."""
    figure, (axes,) = panels(theme, 1, width=6.4, height=4.0)
    for k, (kind, runs) in enumerate(histories.items()):
        if not runs:
            continue
        values = np.array(runs)  # (seeds, epochs − 1)
        epochs = np.arange(2, values.shape[1] + 2)
        axes.plot(epochs, values.mean(0), color=CLASSES[k], linewidth=1.6, label=kind)
        if len(values) > 1:
            axes.fill_between(epochs, values.min(0), values.max(0), color=CLASSES[k], alpha=0.15, linewidth=0)
    axes.axhline(still, color=theme.faint, linestyle="--", linewidth=1, label=f"{still:g}: as good as still")
    axes.set(yscale="log", xlabel="epoch", ylabel="step since the last epoch / spread", title="How far latents move")
    legend(axes, theme)
    return figure


def curves(theme: Theme, data: np.ndarray, decoded: Mapping[str, np.ndarray]) -> Figure:
    """The curve, and what autoencoders with one latent dimension make of it."""
    figure, all_axes = panels(theme, len(decoded), width=8.6, height=3.6)
    for axes, (kind, found) in zip(all_axes, decoded.items(), strict=True):
        axes.scatter(data[:, 0], data[:, 1], s=4, color=theme.data, linewidths=0, label="data")
        axes.scatter(found[:, 0], found[:, 1], s=4, color=theme.prior, linewidths=0, label="model")
        axes.set(title=kind)
        legend(axes, theme, markerscale=3)
    return figure


def saturation(
    theme: Theme,
    rows: Sequence[Sequence[Mapping[str, float]]],
    last: Measured,
    smoothings: Sequence[float],
    null: Mapping[str, float],
) -> Figure:
    """Left: distances while a model learns, relative to the first epoch. Right: divergence against smoothing.

    Args:
        rows: for each seed the rows of a plain autoencoder, with ``epoch``.
        last: final distances of every kind of model.
        smoothings: standard deviations of the smoothing noise.
        null: distances between two samples of the data.
    """
    figure, (left, right) = panels(theme, 2, height=3.9)
    epochs = [row["epoch"] for row in rows[0]]
    lines = ["W₂", *(f"JS at {s:g}" for s in smoothings[:3])]
    for k, name in enumerate(lines):
        values = np.array([[row[name] / run[0][name] for row in run] for run in rows]).mean(0)
        label = name.replace("JS at", "JS, both smoothed by") if k else "Wasserstein distance"
        left.plot(epochs, values, color=CLASSES[k], marker=MARKS[k], markersize=4, linewidth=1.5, label=label)
    left.set(xscale="log", xlabel="epoch", ylabel="relative to the first epoch", title="A model that learns a curve")
    left.set_ylim(0, 1.08)
    legend(left, theme, loc="lower left")
    for k, kind in enumerate(last):
        found = [estimate(last[kind][f"JS at {s:g}"].values()) for s in smoothings]
        right.errorbar(
            smoothings, [e.mean for e in found], yerr=[e.half for e in found], color=CLASSES[k], marker=MARKS[k],
            markersize=4.5, capsize=3, linewidth=1.5, label=kind,
        )  # fmt: skip
    right.plot(
        smoothings, [null[f"JS at {s:g}"] for s in smoothings], color=theme.faint, linestyle="--", label="data and data"
    )
    right.axhline(np.log(2), color=theme.faint, linewidth=1, linestyle=":", label="most possible: log 2")
    right.set(xscale="log", xlabel="smoothing of both laws", ylabel="JS divergence (nats)", title="After training")
    right.set_ylim(0, 0.78)
    legend(right, theme)
    return figure
