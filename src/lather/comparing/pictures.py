"""What each contender generates, side by side, as pictures that belong into a page."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from lather.auditing import Report
from lather.auditing.grids import image_grid
from lather.auditing.plots.columns import column_match
from lather.auditing.theme import DARK, LIGHT, Theme, png
from lather.comparing.result import Comparison
from lather.errors import RunError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "generated", "of_figure"]

_SHOWN = 30  # images of each grid, in rows of six


@dataclass(frozen=True)
class Picture:
    """A picture for light and dark backgrounds, as data URIs, with what stands below it."""

    title: str
    light: str
    dark: str


def generated(comparison: Comparison) -> list[tuple[str, list[Picture]]]:
    """For each latent the first finished run of each contender: decodes of draws, none picked; real data first."""
    groups = []
    for latent, rivals in comparison.groups().items():
        pictures: list[Picture] = []
        for standing in rivals:
            if not standing.finished:
                continue
            run = standing.finished[0]
            try:
                report = Report.load(run.path)
            except RunError:  # removed since
                continue
            if not {"samples", "originals"} <= set(report.arrays):
                continue
            images = report.plots.get("pictures") == "images"
            if images and not pictures:
                pictures.append(_picture("real data, held out", report, "originals"))
            pictures.append(_picture(f"{standing.contender.name}, seed {run.seed}", report, "samples"))
        groups.append((latent, pictures))
    return [group for group in groups if group[1]]


def of_figure(title: str, light: Figure, dark: Figure) -> Picture:
    """A plot, drawn for both backgrounds."""
    return Picture(title, _uri(png(light)), _uri(png(dark)))


def _picture(title: str, report: Report, key: str) -> Picture:
    def drawn(theme: Theme) -> str:
        if report.plots.get("pictures") != "images":
            return _uri(png(column_match(report.arrays["originals"], report.arrays["samples"], theme)))
        buffer = BytesIO()
        grid = image_grid(report.arrays[key][:_SHOWN], columns=6, theme=theme, target=48)
        grid.save(buffer, format="PNG", optimize=True)
        return _uri(buffer.getvalue())

    return Picture(title, drawn(LIGHT), drawn(DARK))


def _uri(data: bytes) -> str:
    return "data:image/png;base64," + b64encode(data).decode("ascii")
