"""Grids of images, pixel for pixel: samples, and reconstructions below their originals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lather.auditing.theme import LIGHT, Theme
from lather.errors import ShapeError
from lather.files import atomically

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["gallery", "image_grid", "reconstruction_grid", "save_image"]

_TARGET = 64  # pixels an image is enlarged to, by a whole factor so that it stays sharp
_GAP = 4
_MARGIN = 104
_HEADING = 24


def image_grid(
    images: Tensor | NDArray[np.uint8], *, columns: int = 8, theme: Theme = LIGHT, target: int = _TARGET
) -> Image:
    """Images in rows of ``columns``.

    Args:
        images: (n, c, h, w) with c = 1 or 3; floats in [0, 1] (clipped), or bytes.
        columns: images to a row.
        theme: colours.
        target: small images are enlarged by the largest whole factor that keeps them within so many pixels.

    Raises:
        ShapeError: not such a tensor, or no image in it.

    Example:
        >>> image_grid(torch.rand(16, 1, 8, 8)).size
        (548, 140)
    """
    tiles = _tiles(images, target)
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    canvas = _canvas(rows, columns, tiles, theme)
    for i, tile in enumerate(tiles):
        _put(canvas, tile, i // columns, i % columns)
    return _image(canvas)


def reconstruction_grid(
    originals: Tensor | NDArray[np.uint8],
    reconstructions: Tensor | NDArray[np.uint8],
    *,
    columns: int = 8,
    theme: Theme = LIGHT,
    target: int = _TARGET,
) -> Image:
    """Each row of held-out originals with their reconstructions right below, labelled at the left.

    Arguments and errors as for :func:`image_grid`; both (n, c, h, w) of one shape.
    """
    if originals.shape != reconstructions.shape:
        raise ShapeError(
            f"originals {tuple(originals.shape)} and reconstructions {tuple(reconstructions.shape)} must have one shape"
        )
    above, below = _tiles(originals, target), _tiles(reconstructions, target)
    columns = min(columns, len(above))
    pairs = -(-len(above) // columns)
    canvas = _canvas(2 * pairs, columns, above, theme, between=3 * _GAP)
    for i, (top, bottom) in enumerate(zip(above, below, strict=True)):
        pair, column = divmod(i, columns)
        _put(canvas, top, 2 * pair, column, offset=2 * pair * _GAP)
        _put(canvas, bottom, 2 * pair + 1, column, offset=2 * pair * _GAP)
    return _labelled(canvas, pairs, above.shape[1], theme)


def gallery(
    blocks: Sequence[tuple[str, Tensor | NDArray[np.uint8]]],
    *,
    columns: int = 8,
    theme: Theme = LIGHT,
    target: int = _TARGET,
) -> Image:
    """Grids of images below each other, each with its heading.

    Args:
        blocks: heading and images (n, c, h, w) of each.
        columns, theme, target: as for :func:`image_grid`.

    Example:
        >>> gallery([("dark", torch.zeros(8, 1, 8, 8)), ("light", torch.ones(8, 1, 8, 8))]).size
        (548, 192)
    """
    from PIL import Image, ImageDraw, ImageFont

    grids = [(heading, image_grid(images, columns=columns, theme=theme, target=target)) for heading, images in blocks]
    height = sum(grid.height + _HEADING for _, grid in grids)
    page = Image.new("RGB", (max(grid.width for _, grid in grids), height), theme.paper)
    draw, font, top = ImageDraw.Draw(page), ImageFont.load_default(14), 0
    for heading, grid in grids:
        draw.text((_GAP, top + _HEADING - 5), heading, fill=theme.ink, font=font, anchor="ls")
        page.paste(grid, (0, top + _HEADING))
        top += _HEADING + grid.height
    return page


def save_image(image: Image, path: Path) -> None:
    """Write ``image`` to ``path`` as PNG, wholly or not at all."""
    with atomically(Path(path)) as temporary:
        image.save(temporary, format="PNG")


def _tiles(images: Tensor | NDArray[np.uint8], target: int) -> NDArray[np.uint8]:
    if isinstance(images, Tensor):
        if images.dtype != torch.uint8:
            images = (images.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
        images = images.cpu().numpy()
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise ShapeError(
            f"a grid shows images of shape (n, 1 or 3, h, w), got {tuple(images.shape)}; for data that are no images "
            "use column_match"
        )
    tiles = np.broadcast_to(images.transpose(0, 2, 3, 1), (len(images), *images.shape[2:], 3))
    factor = max(1, target // max(images.shape[2:]))
    return tiles.repeat(factor, axis=1).repeat(factor, axis=2)


def _canvas(
    rows: int, columns: int, tiles: NDArray[np.uint8], theme: Theme, *, between: int = _GAP
) -> NDArray[np.uint8]:
    h, w = tiles.shape[1:3]
    extra = (rows // 2) * (between - _GAP) if between > _GAP else 0
    canvas = np.empty((rows * (h + _GAP) + _GAP + extra, columns * (w + _GAP) + _GAP, 3), np.uint8)
    canvas[:] = [int(theme.paper[i : i + 2], 16) for i in (1, 3, 5)]
    return canvas


def _put(canvas: NDArray[np.uint8], tile: NDArray[np.uint8], row: int, column: int, offset: int = 0) -> None:
    h, w = tile.shape[:2]
    top, left = _GAP + row * (h + _GAP) + offset, _GAP + column * (w + _GAP)
    canvas[top : top + h, left : left + w] = tile


def _labelled(canvas: NDArray[np.uint8], pairs: int, h: int, theme: Theme) -> Image:
    from PIL import ImageDraw, ImageFont

    margin = np.empty((len(canvas), _MARGIN, 3), np.uint8)
    margin[:] = canvas[0, 0]
    image = _image(np.concatenate([margin, canvas], axis=1))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    for pair in range(pairs):
        for k, word in enumerate(("original", "reconstruction")):
            middle = _GAP + (2 * pair + k) * (h + _GAP) + 2 * pair * _GAP + h / 2
            draw.text((_MARGIN - 4, middle), word, fill=theme.faint, font=font, anchor="rm")
    return image


def _image(canvas: NDArray[np.uint8]) -> Image:
    from PIL import Image

    return Image.fromarray(canvas, "RGB")
