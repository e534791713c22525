"""Loss curves from the rows of ``metrics.jsonl``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lather.auditing.theme import CLASSES, LIGHT, Theme, dress, legend, literal
from lather.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["loss_curves"]

_NOT_LOSSES = {"step", "epoch", "split", "seconds", "lr"}


def loss_curves(rows: Sequence[Mapping[str, Any]], theme: Theme = LIGHT) -> Figure:
    """The total loss and each of its terms against the step, training and validation.

    Args:
        rows: each with ``"step"``, ``"split"`` (``"train"`` or ``"validation"``) and numbers by name.
        theme: colours.

    Raises:
        DataError: no row holds a finite number.
    """
    from matplotlib.figure import Figure

    rows = [row for row in rows if row.get("split") in ("train", "validation")]  # callbacks may have added others
    names: dict[str, None] = {}
    for row in rows:
        for name, value in row.items():
            if name not in _NOT_LOSSES and isinstance(value, (int, float)) and math.isfinite(value):
                names.setdefault(name)
    if not names:
        raise DataError("there are no finite losses to draw; the metrics are empty, or the training diverged at once")
    ordered = sorted(names, key=lambda name: name != "loss")  # the total first, then in order of appearance
    columns = min(3, len(ordered))
    lines = -(-len(ordered) // columns)
    figure = Figure(
        figsize=(max(5.5, 3.3 * columns), 2.7 * lines + 0.2), dpi=150, facecolor=theme.paper, layout="constrained"
    )
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, name in zip(panels, ordered, strict=False):
        dress(axes, theme)
        for split, colour, width in (("train", theme.data, 1.2), ("validation", CLASSES[1], 1.8)):
            points = [
                (row["step"], row[name])
                for row in rows
                if row.get("split") == split and isinstance(row.get(name), (int, float)) and math.isfinite(row[name])
            ]
            if points:
                marker = "o" if len(points) < 40 and split == "validation" else None
                axes.plot(*zip(*points, strict=True), color=colour, linewidth=width, label=split, marker=marker, ms=3)
        axes.set(xlabel="step", title=literal(name.replace("_", " "), 40))
        values = sorted(row[name] for row in rows if isinstance(row.get(name), (int, float)))
        if values[0] > 0 and values[-1] > 30 * values[len(values) // 2]:
            axes.set_yscale("log")
    panels[0].set_ylabel("loss (as trained; see the recipe for units)")
    legend(panels[0], theme)
    for axes in panels[len(ordered) :]:
        axes.set_visible(False)
    return figure
