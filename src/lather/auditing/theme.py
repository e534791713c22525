"""The look of all plots: a restrained frame, colours that colour-blind readers can tell apart, light and dark."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lather.files import atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["CLASSES", "DARK", "LIGHT", "Theme", "blank", "dress", "legend", "literal", "png", "save"]

#: ten classes: Okabe and Ito's colours (Color Universal Design, 2008), yellow darkened, and three more
CLASSES = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
    "#8C8C00",
    "#6A51A3",
    "#8C564B",
    "#7F7F7F",
)


@dataclass(frozen=True)
class Theme:
    """Colours of one background."""

    paper: str
    ink: str
    faint: str
    grid: str
    data: str
    prior: str
    verdicts: tuple[tuple[str, str], ...]

    def verdict(self, name: str) -> str:
        """Colour of a verdict."""
        return dict(self.verdicts)[name]


LIGHT = Theme(
    paper="#FFFFFF",
    ink="#22262B",
    faint="#6B737C",
    grid="#E6E8EB",
    data="#0072B2",
    prior="#D55E00",
    verdicts=(("green", "#1B8A5A"), ("amber", "#C27C0E"), ("red", "#C0392B"), ("grey", "#8A9199")),
)
DARK = Theme(
    paper="#16191D",
    ink="#E4E7EA",
    faint="#98A1AA",
    grid="#2B3036",
    data="#56B4E9",
    prior="#FF8A4C",
    verdicts=(("green", "#3FBF86"), ("amber", "#E5A83B"), ("red", "#EF6F61"), ("grey", "#7C858E")),
)


def blank(theme: Theme, width: float = 6.0, height: float = 4.0) -> tuple[Figure, Axes]:
    """An empty figure of ``width`` × ``height`` inches and its axes; pyplot and its global state stay out of it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150, facecolor=theme.paper, layout="constrained")
    axes = figure.subplots()
    dress(axes, theme)
    return figure, axes


def dress(axes: Axes, theme: Theme) -> None:
    """Colours, a light grid, and two spines instead of four."""
    axes.set_facecolor(theme.paper)
    axes.tick_params(colors=theme.faint, labelsize=8.5, length=3, width=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.faint)
        spine.set_linewidth(0.6)
    axes.grid(True, color=theme.grid, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.xaxis.label.set(color=theme.ink, fontsize=9.5)
    axes.yaxis.label.set(color=theme.ink, fontsize=9.5)
    axes.title.set(color=theme.ink, fontsize=11, fontweight="medium")


def legend(axes: Axes, theme: Theme, **options: Any) -> None:
    """A frameless legend in the theme's ink, if there is anything to say."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8.5, labelcolor=theme.ink, **options)


def literal(text: str, longest: int = 22) -> str:
    """``text`` as matplotlib shows it as it is: no formulas, no control characters, no names hidden by an underscore.

    Example:
        >>> print(literal("_cost in $"), literal("a" * 30))
         _cost in \\$ aaaaaaaaaaaaaaaaaaaaa…
    """
    text = "".join(character for character in text if character.isprintable())
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return (" " if text.startswith("_") else "") + text.replace("$", r"\$")


def png(figure: Figure) -> bytes:
    """The figure as PNG at 150 dots per inch; the same figure gives the same bytes."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box stands for it; names can be in any script
        figure.savefig(buffer, format="png", dpi=150, facecolor=figure.get_facecolor(), metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Write the figure to ``path`` as PNG, wholly or not at all."""
    with atomically(Path(path)) as temporary:
        temporary.write_bytes(png(figure))
