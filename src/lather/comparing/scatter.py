"""Two scatters of all contenders: what is paid in distortion for latents that follow the prior, and for the gap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from lather.auditing.row import GREEN_FROM, RED_BELOW
from lather.auditing.theme import CLASSES, Theme, blank, literal
from lather.comparing.columns import column
from lather.comparing.result import Comparison, Run, Standing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["scatter"]

_MARKERS = "osD^vPX*<>hp"  # one for each latent
_LINES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")  # where there are more recipes than colours

_AXES = {
    "distortion": "distortion, held out (less is better)",
    "n_star": "n*, latents it takes to see a difference from the prior (more is better)",
    "gap": "sampling gap (0 is perfect)",
}


def scatter(comparison: Comparison, key: str, theme: Theme) -> Figure | None:
    """Distortion against ``key``; ``None`` where no run has both.

    A point for each recipe and latent, with intervals over seeds; small dots are the single runs. One colour for each
    recipe, whose points are joined in the order of d; one marker for each latent. An arrow to the right stands for an
    n* that is only known to be larger.
    """
    x, y = column(key), column("distortion")
    shown = [s for s in comparison.standings if s.value(x) is not None and s.value(y) is not None]
    if not shown:
        return None
    figure, axes = blank(theme, 7.6, 4.4)
    names = list(dict.fromkeys(standing.contender.name for standing in comparison.standings))
    latents = list(comparison.groups())
    if key == "n_star":
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}"))
        _zones(axes, theme)
    for i, name in enumerate(names):
        own = [standing for standing in shown if standing.contender.name == name]
        if own:
            look = (CLASSES[i % len(CLASSES)], _LINES[(i // len(CLASSES)) % len(_LINES)])
            _draw(axes, own, key, latents, look)
    _frame(axes, shown, key)
    axes.set(xlabel=_AXES[key], ylabel=_AXES["distortion"])
    _keys(axes, names, latents, theme)
    return figure


def _draw(axes: Axes, own: Sequence[Standing], key: str, latents: Sequence[str], look: tuple[str, str]) -> None:
    colour, line = look
    x, y = column(key), column("distortion")
    points = [(s.value(x) or 0.0, s.value(y) or 0.0) for s in own]  # all of them known
    axes.plot(*zip(*points, strict=True), color=colour, linestyle=line, linewidth=0.9, alpha=0.5)
    for standing, (across, up) in zip(own, points, strict=True):
        axes.errorbar(
            across,
            up,
            xerr=_bar(standing.interval(x), across),
            yerr=_bar(standing.interval(y), up),
            fmt=_MARKERS[latents.index(standing.contender.dimensions) % len(_MARKERS)],
            color=colour,
            markersize=7,
            markeredgewidth=0,
            elinewidth=1.1,
            capsize=2.5,
        )
        if key == "n_star" and standing.n_star is not None and standing.n_star.at_least:
            axes.annotate(
                "",
                xy=(across, up),
                xytext=(26, 0),
                textcoords="offset points",
                arrowprops={"arrowstyle": "<-", "color": colour, "linewidth": 1.4},
            )
        if len(standing.finished) > 1:
            dots = [(_at(run, key), run.values.get("distortion")) for run in standing.finished]
            for at, height in dots:
                if at is not None and height is not None:
                    axes.scatter(at, height, s=9, color=colour, alpha=0.55, linewidths=0)


def _frame(axes: Axes, shown: Sequence[Standing], key: str) -> None:
    """As wide as the trainings themselves need; of few seeds intervals can be a thousand times as long."""
    across = [value for s in shown for run in s.finished if (value := _at(run, key)) is not None]
    up = [value for s in shown for run in s.finished if (value := run.values.get("distortion")) is not None]
    if key == "n_star":
        axes.set_xlim(min(min(across) / 2, RED_BELOW / 4), max(max(across) * 4, GREEN_FROM * 4))
    else:
        pad = 0.3 * (max(across) - min(across)) or 1.0
        axes.set_xlim(min(0.0, min(across)) - pad, max(0.0, max(across)) + pad)
    pad = 0.3 * (max(up) - min(up)) or 0.1 * max(up)
    axes.set_ylim(max(min(up) - pad, 0.0), max(up) + pad)


def _at(run: Run, key: str) -> float | None:
    """Where a single training stands; an n* that was not seen, at the number of latents that were tested."""
    if key != "n_star":
        return run.values.get(key)
    size = run.n_star
    return None if size is None else float(size.n if size.detected else size.tested)


def _bar(interval: tuple[float, float] | None, middle: float) -> list[list[float]] | None:
    """Lengths of an error bar to both sides; an infinite one is left to the arrow."""
    if interval is None:
        return None
    low, high = interval
    return [[max(middle - low, 0.0)], [max(high - middle, 0.0) if math.isfinite(high) else 0.0]]


def _zones(axes: Axes, theme: Theme) -> None:
    """Where a report turns from red to amber, and from there to green."""
    for at, name, colour, side in ((RED_BELOW, "few", "red", "right"), (GREEN_FROM, "many", "green", "left")):
        axes.axvline(at, color=theme.verdict(colour), linewidth=0.9, linestyle=(0, (4, 3)))
        words = f" {name}: {at}" if side == "left" else f"{name}: {at} "
        axes.annotate(
            words,
            (at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha=side,
            fontsize=8,
            color=theme.verdict(colour),
        )


def _keys(axes: Axes, names: Sequence[str], latents: Sequence[str], theme: Theme) -> None:
    """Colours of recipes and markers of latents, beside the plot."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [], [], color=CLASSES[i % len(CLASSES)], linestyle=_LINES[(i // len(CLASSES)) % len(_LINES)], linewidth=3
        )
        for i in range(len(names))
    ]
    labels = [literal(name, 26) for name in names]
    if len(latents) > 1:
        handles += [
            Line2D([], [], color=theme.faint, marker=_MARKERS[i % len(_MARKERS)], linestyle="", markersize=6)
            for i in range(len(latents))
        ]
        labels += [f"d = {latent}" for latent in latents]
    axes.legend(
        handles,
        labels,
        frameon=False,
        fontsize=8.5,
        labelcolor=theme.ink,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0,
    )
