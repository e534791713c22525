"""The pictures of the study of noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lather.auditing.theme import CLASSES, Theme, legend
from lather.studies.dots import MARKS, panels
from lather.studies.estimate import estimate
from lather.studies.measured import Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["curves", "drifts", "saturation"]


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
