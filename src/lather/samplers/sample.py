"""What samplers expect of the latents they are fitted to, and the scale they work on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from lather.errors import DataError, ShapeError

__all__ = ["Standardised", "standardised"]


class Standardised(NamedTuple):
    """Latents as ``shift + scale * values``, ``values`` of mean 0 and variance 1 in every dimension."""

    values: Float64[Tensor, "n d"]
    shift: Float64[Tensor, " d"]
    scale: Float64[Tensor, " d"]


def standardised(z: Tensor, *, least: int, who: str) -> Standardised:
    """Latents ``z`` (n, d) in float64 on the CPU, each dimension on its own scale.

    A dimension that hardly varies (below a millionth of the widest) keeps that little, so that whatever is fitted
    stays proper there.

    Args:
        z: latents, one row a sample.
        least: how many are needed.
        who: the caller, for messages.

    Raises:
        ShapeError: not a floating (n, d) matrix.
        DataError: too few, values that are not finite, or all latents identical.
    """
    if z.ndim != 2 or not z.is_floating_point():
        raise ShapeError(f"{who} is fitted to floating latents (n, d), got {z.dtype} {tuple(z.shape)}")
    if len(z) < least:
        raise DataError(f"{who} needs at least {least} latents in {z.shape[1]} dimensions, got {len(z)}; encode more")
    values = z.detach().cpu().double()
    bad = int((~torch.isfinite(values)).any(1).sum())
    if bad:
        raise DataError(f"{who} is fitted to finite latents, but {bad} of {len(z)} are not; check the encoder")
    shift, scale = values.mean(0), values.std(0)
    if not float(scale.max()) > 1e-12 * float(values.abs().max()):
        raise DataError(f"{who} was given {len(z)} identical latents: the encoder has collapsed, and they say nothing")
    scale = scale.clamp_min(1e-6 * float(scale.max()))
    return Standardised((values - shift) / scale, shift, scale)
