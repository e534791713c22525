"""Methods against statistics: a heat map with n* in every cell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lather.auditing.theme import Theme, blank
from lather.studies.match_matrix import COLUMNS, Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["matrix_picture"]


def matrix_picture(theme: Theme, cells: Mapping[str, Mapping[str, Cell]]) -> Figure:
    """A line for each method."""
    from matplotlib.patches import Rectangle

    figure, axes = blank(theme, 11.0, 1.0 + 0.34 * len(cells))
    for y, line in enumerate(cells.values()):
        for x, key in enumerate(COLUMNS):
            cell = line[key]
            colour = theme.verdict(cell.verdict)
            if not math.isnan(cell.n):
                axes.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, color=colour, alpha=0.30, linewidth=0))
            if cell.trained:
                frame: dict[str, Any] = {"fill": False, "edgecolor": theme.ink, "linewidth": 1.3}
                axes.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, **frame))
            ink = theme.faint if math.isnan(cell.n) else theme.ink
            axes.text(x, y, _text(cell.n), ha="center", va="center", fontsize=8.5, color=ink)
    axes.set(xlim=(-0.55, len(COLUMNS) - 0.45), ylim=(len(cells) - 0.45, -0.55))
    axes.set_xticks(range(len(COLUMNS)), list(COLUMNS.values()))
    axes.set_yticks(range(len(cells)), list(cells))
    axes.tick_params(length=0, labeltop=True, labelbottom=False, labelcolor=theme.ink)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def _text(n: float) -> str:
    if math.isnan(n):
        return "–"
    if math.isinf(n):
        return "unseen"
    return f"{n:.0f}" if n < 1000 else f"{n / 1000:.1f}k"
