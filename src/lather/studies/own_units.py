"""Latents in units of their own spread, so that decoders of differently scaled latents can be compared."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["whitened"]

_IDLE = 1e-8  # share of the largest variance below which a direction carries nothing


def whitened(decode: Callable[[Tensor], Tensor], z: Tensor) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """The decoder as a function of latents with mean 0 and covariance I, and these latents.

    A linear change of the latents' coordinates, undone by the decoder, changes nothing about an autoencoder; measured
    in these coordinates it changes no number either: z = m + u Λ^½ Vᵀ for the covariance V Λ Vᵀ. Directions without
    variance are left out: data never move there.

    Args:
        decode: (n, d) → (n, ...).
        z: (n, d) latents of data, n > d.

    Returns:
        The decoder of (n, k) whitened latents, and those of ``z``, (n, k), k ≤ d.

    Example:
        >>> z = torch.randn(1000, 2, dtype=torch.float64) * torch.tensor([10.0, 0.1])
        >>> decode, u = whitened(lambda z: z, z)
        >>> torch.allclose(decode(u), z), torch.allclose(u.var(0, correction=0), torch.ones(2, dtype=torch.float64))
        (True, True)
    """
    middle = z.double().mean(0)
    away = z.double() - middle
    values, vectors = torch.linalg.eigh(away.T @ away / len(z))
    kept = values > _IDLE * values.max()
    root = (vectors[:, kept] * values[kept].sqrt()).T  # (k, d)
    u = away @ vectors[:, kept] / values[kept].sqrt()
    middle, root = middle.to(z), root.to(z)
    return lambda u: decode(middle + u @ root), u.to(z)
