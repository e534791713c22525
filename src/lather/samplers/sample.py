"""What samplers expect of the latents they are fitted to, and the scale they work on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from lather.errors import DataError, ShapeError

__all__ = ["Standardised", "parted", "standardised", "whitened"]


_THINNEST = 1e-6  # of the largest variance, below which an axis counts as noise


class Standardised(NamedTuple):
    """Latents as ``shift + scale * values``, ``values`` of mean 0 and variance 1 in every dimension.

    Where ``scale`` is a matrix, as ``shift + values @ scale.T``, and the values are not correlated either.
    """

    values: Float64[Tensor, "n d"]
    shift: Float64[Tensor, " d"]
    scale: Float64[Tensor, "*d d"]

    def same(self, z: Tensor) -> Float64[Tensor, "m d"]:
        """Other latents on this scale."""
        centred = z.detach().cpu().double() - self.shift
        return centred / self.scale if self.scale.ndim == 1 else torch.linalg.solve(self.scale, centred.T).T


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


def parted(
    data: Standardised, held_out: Tensor | None, generator: torch.Generator | None = None
) -> tuple[Float32[Tensor, "n d"], Float32[Tensor, "m d"]]:
    """What is trained on and what chooses, both on the scale of ``data``: without ``held_out``, nine tenths and one.

    Raises:
        ShapeError: held-out latents of other dimensions.
        DataError: held-out latents that are not finite.
    """
    x = data.values.float()
    if held_out is None:
        x = x[torch.randperm(len(x), generator=generator)]
        return x[len(x) // 10 :], x[: len(x) // 10]
    if held_out.ndim != 2 or held_out.shape[1] != x.shape[1] or not len(held_out):
        raise ShapeError(f"held-out latents must be (m, {x.shape[1]}) like the others, got {tuple(held_out.shape)}")
    if not bool(torch.isfinite(held_out).all()):
        raise DataError("held-out latents hold NaN or infinite values; check the encoder")
    return x, data.same(held_out).float()


def whitened(z: Tensor, *, least: int, who: str) -> Standardised:
    """As :func:`standardised`, but with covariance I: ``scale`` is a matrix, ``z = shift + values @ scale.T``.

    Its columns are the principal axes of the standardised latents times their deviations, the widest first; an axis of
    less than a millionth of the widest one's variance is given that much, so that the matrix stays invertible in
    float32.
    """
    data = standardised(z, least=least, who=who)
    values, axes = torch.linalg.eigh(data.values.T @ data.values / (len(data.values) - 1))
    values, axes = values.flip(0), axes.flip(1)
    deviations = values.clamp_min(_THINNEST * float(values[0])).sqrt()
    turned = data.values @ axes / deviations
    return Standardised(turned, data.shift, data.scale.unsqueeze(1) * axes * deviations)
