"""Which axis is what: arrays become (n, F) features or (n, C, H, W) images by rules that are written down."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lather.errors import ShapeError

__all__ = ["arrange", "centre", "recolour", "resize"]

_LIKELY = ((1, 3), (2, 4))  # lengths of an axis taken for channels without being told, the likelier first
_BLOCK = 1024  # images converted to float together


def arrange(
    x: np.ndarray,
    origin: str,
    *,
    shape: tuple[int, ...] | None = None,
    channel_order: Literal["first", "last"] | None = None,
) -> np.ndarray:
    """``x`` as (n, F) features or (n, C, H, W) images.

    * (n, F) are features, unless ``shape=(C, H, W)`` says that each row is a flattened image.
    * (n, H, W) are greyscale images.
    * Of four axes, the second or the last counts channels: the one of length 1 or 3, else the one of length 2 or 4.
      Where both are, or neither, ``channel_order`` must say ``"first"`` or ``"last"``.

    Raises:
        ShapeError: none of these, or ambiguous.
    """
    if x.ndim == 0 or len(x) == 0 or x.size == 0:
        raise ShapeError(f"{origin} holds no samples (shape {x.shape}); the first axis must count the samples")
    if shape is not None:
        if math.prod(shape) != math.prod(x.shape[1:]):
            raise ShapeError(
                f"{origin} has samples of shape {x.shape[1:]}, {math.prod(x.shape[1:])} values each, which cannot be "
                f"read as shape={tuple(shape)}, {math.prod(shape)} values; give a shape with as many values"
            )
        if len(shape) not in (1, 3):
            raise ShapeError(f"shape={tuple(shape)} is neither (F,) for features nor (C, H, W) for images")
        return x.reshape(len(x), *shape)
    if x.ndim == 2:
        return x
    if x.ndim == 3:
        return x[:, None]
    if x.ndim != 4:
        raise ShapeError(
            f"{origin} has shape {x.shape}; features are (n, F), images (n, H, W), (n, C, H, W) or (n, H, W, C): "
            "reshape the array so that the first axis counts the samples"
        )
    if channel_order is None:
        first, last = (_rank(x.shape[axis]) for axis in (1, 3))
        if first == last:
            raise ShapeError(
                f"{origin} has shape {x.shape}, and which axis holds the channels is not clear; say channel_order="
                "'first' for (n, C, H, W) or 'last' for (n, H, W, C) (--channel-order)"
            )
        channel_order = "first" if first < last else "last"
    return x if channel_order == "first" else np.moveaxis(x, 3, 1)


def _rank(length: int) -> int:
    return next((i for i, lengths in enumerate(_LIKELY) if length in lengths), len(_LIKELY))


def centre(height: int, width: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of the largest centred part with the aspect ratio of ``size``, in whole pixels.

    Example:
        >>> centre(100, 300, (32, 32))
        (0, 100, 100, 200)
    """
    scale = min(height / size[0], width / size[1])
    tall = min(height, max(1, round(size[0] * scale)))
    wide = min(width, max(1, round(size[1] * scale)))
    top, left = (height - tall) // 2, (width - wide) // 2
    return top, left, top + tall, left + wide


def resize(x: Tensor, size: tuple[int, int], bounds: tuple[float, float]) -> Tensor:
    """Centre crop to the aspect ratio of ``size`` = (height, width), then antialiased bicubic resize; dtype kept.

    Args:
        x: images (n, C, H, W).
        size: the new height and width.
        bounds: values to clip at, which bicubic interpolation overshoots at edges.
    """
    if x.shape[-2:] == size:
        return x
    top, left, bottom, right = centre(x.shape[-2], x.shape[-1], size)
    out = x.new_empty(*x.shape[:2], *size)
    for start in range(0, len(x), _BLOCK):
        part = x[start : start + _BLOCK, :, top:bottom, left:right]
        part = torch.nn.functional.interpolate(
            part.float(), size=size, mode="bicubic", antialias=True, align_corners=False
        ).clamp_(*bounds)
        out[start : start + _BLOCK] = part.round_() if out.dtype == torch.uint8 else part
    return out


def recolour(x: Tensor, channels: int | None, origin: str) -> Tensor:
    """Images (n, C, H, W) with one channel or three: luma 0.299 R + 0.587 G + 0.114 B, or the grey value thrice.

    Raises:
        ShapeError: neither one channel nor three there.
    """
    if channels is None or x.shape[1] == channels:
        return x
    if channels == 3 and x.shape[1] == 1:
        return x.repeat(1, 3, 1, 1)
    if channels == 1 and x.shape[1] == 3:
        out = x.new_empty(len(x), 1, *x.shape[2:])
        weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
        for start in range(0, len(x), _BLOCK):
            grey = (x[start : start + _BLOCK].float() * weights).sum(1, keepdim=True)
            out[start : start + _BLOCK] = grey.round() if out.dtype == torch.uint8 else grey
        return out
    raise ShapeError(
        f"{origin}: images with {x.shape[1]} channels cannot become {channels}; 1 and 3 can become each other: leave "
        "channels out, or select the channels in the array"
    )
