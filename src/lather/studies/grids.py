"""Pictures side by side: one line for each model, one strip of pictures for each way to get them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lather.auditing.theme import Theme
from lather.errors import ShapeError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["picture_rows"]

_GAP = 1  # empty pixels between pictures
_LINE = 0.62  # inches of a strip's height, at most
_MARGIN = 0.07  # inches around strips
_TEXT = 0.088  # inches of a letter of a row's label


def picture_rows(
    rows: Mapping[str, Sequence[Tensor]], theme: Theme, *, heads: Sequence[str] = (), width: float = 11.0
) -> Figure:
    """Strips of pictures with a label for each line and a head for each column.

    Args:
        rows: label → one tensor (k, 1 or 3, h, w) of values in [0, 1] (clipped) for each column; in one column, all
            with the same number k of pictures. Pictures are shown in their order, none is picked.
        theme: colours.
        heads: what the columns are.
        width: of the figure, in inches.

    Raises:
        ShapeError: lines that differ in length, or no pictures.

    Example:
        >>> import torch
        >>> from lather.auditing.theme import LIGHT
        >>> figure = picture_rows({"d = 2": [torch.rand(4, 1, 8, 8)] * 2}, LIGHT, heads=["data", "samples"])
        >>> len(figure.axes)
        2
    """
    from matplotlib.figure import Figure

    strips = {label: [_strip(images, theme) for images in line] for label, line in rows.items()}
    lines = list(strips.values())
    if not lines or any([s.shape for s in line] != [s.shape for s in lines[0]] for line in lines):
        found = {label: [tuple(images.shape) for images in line] for label, line in rows.items()}
        raise ShapeError(f"every line needs strips of the same shapes, got {found}")
    left = _MARGIN + _TEXT * max(len(part) for label in strips for part in label.split("\n"))
    wide = sum(strip.shape[1] for strip in lines[0])
    room = width - left - _MARGIN * (1 + len(lines[0]))
    scale = min(room / wide, _LINE / lines[0][0].shape[0])  # inches per pixel
    tall, top = scale * lines[0][0].shape[0], 0.3 if heads else _MARGIN
    width = left + scale * wide + _MARGIN * (1 + len(lines[0]))
    height = top + len(lines) * (tall + _MARGIN)
    figure = Figure(figsize=(width, height), dpi=150, facecolor=theme.paper)
    for i, (label, line) in enumerate(strips.items()):
        bottom, x = height - top - (i + 1) * (tall + _MARGIN) + _MARGIN, left
        figure.text(_MARGIN / width, (bottom + tall / 2) / height, label, va="center", color=theme.ink, fontsize=9)
        for j, strip in enumerate(line):
            across = scale * strip.shape[1]
            axes = figure.add_axes((x / width, bottom / height, across / width, tall / height))
            axes.imshow(strip, interpolation="nearest", aspect="auto")
            axes.set_axis_off()
            if i == 0 and heads:
                middle = (x + across / 2) / width
                figure.text(middle, 1 - 0.15 / height, heads[j], ha="center", va="center", color=theme.ink, fontsize=9)
            x += across + _MARGIN
    return figure


def _strip(images: Tensor, theme: Theme) -> NDArray[np.uint8]:
    """Pictures beside each other, (h, about k·w, 3) bytes."""
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise ShapeError(f"pictures are (k, 1 or 3, h, w), got {tuple(images.shape)}")
    tiles = (images.detach().cpu().float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    h, w = tiles.shape[1:3]
    out = np.empty((h, len(tiles) * (w + _GAP) - _GAP, 3), np.uint8)
    out[:] = [int(theme.paper[i : i + 2], 16) for i in (1, 3, 5)]
    for i, tile in enumerate(tiles):
        out[:, i * (w + _GAP) : i * (w + _GAP) + w] = tile
    return out
