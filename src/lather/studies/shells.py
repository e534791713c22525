"""Measured distances between bubbles and the prior: from the origin, and to the nearest bubble."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Reach", "directions_at_random", "nearest_bubble", "reach"]

_CHUNK = 128


@dataclass(frozen=True)
class Reach:
    """How far three kinds of latents lie from the centre of the nearest training bubble, in radii of that bubble.

    Attributes:
        own: latents of training data, from the centre of *their own* bubble: about 1 by definition.
        held_out: latents of new data, from the nearest centre.
        prior: prior draws, from the nearest centre.
        k: directions that were looked at.
    """

    own: Float[Tensor, "a"]
    held_out: Float[Tensor, "b"]
    prior: Float[Tensor, "c"]
    k: int


def nearest_bubble(
    z: Float[Tensor, "m d"],
    mean: Float[Tensor, "n d"],
    std: Float[Tensor, "n d"],
    directions: Float[Tensor, "k d"] | None = None,
) -> Float[Tensor, "m"]:
    r"""min_i ‖V(z − μ_i)‖ / ρ_i, with ρ_i² = E‖V(z_i − μ_i)‖² = tr V diag(σ_i²) Vᵀ, the bubble's radius.

    Args:
        z: latents.
        mean, std: bubbles.
        directions: V, orthonormal rows; ``None`` for all coordinates.
    """
    z, mean, variance = z.double(), mean.double(), std.double().square()
    if directions is not None:
        v = directions.double()
        z, mean, radius = z @ v.T, mean @ v.T, (variance @ v.square().T).sum(1).sqrt()
    else:
        radius = variance.sum(1).sqrt()
    centre = mean.mean(0)
    z, mean = z - centre, mean - centre
    square = mean.square().sum(1)
    out = []
    for part in z.split(_CHUNK):
        distance = part.square().sum(1, keepdim=True) + square - 2 * part @ mean.T
        out.append((distance.clamp_min(0).sqrt() / radius).amin(1))
    return torch.cat(out)


def reach(
    mean: Float[Tensor, "n d"],
    std: Float[Tensor, "n d"],
    held_out: Float[Tensor, "m d"],
    prior: Float[Tensor, "c d"],
    directions: Float[Tensor, "k d"] | None = None,
    *,
    generator: torch.Generator | None = None,
) -> Reach:
    """All three, see :class:`Reach`.

    Args:
        mean, std: posteriors of training data.
        held_out: one latent for each new datum.
        prior: draws from the prior.
        directions: orthonormal rows to look along; ``None`` for all coordinates.
        generator: of the training latents.
    """
    mean, std = mean.double(), std.double()
    noise = std * torch.randn(mean.shape, generator=generator, dtype=torch.float64)
    width = std.square()
    if directions is not None:
        v = directions.double()
        noise, width = noise @ v.T, width @ v.square().T
    own = noise.square().sum(1).sqrt() / width.sum(1).sqrt()
    k = mean.shape[1] if directions is None else len(directions)
    near = [nearest_bubble(z, mean, std, directions) for z in (held_out, prior)]
    return Reach(own, near[0], near[1], k)


def directions_at_random(k: int, d: int, generator: torch.Generator | None = None) -> Float[Tensor, "k d"]:
    """k orthonormal directions out of all d-dimensional ones, none preferred."""
    return torch.linalg.qr(torch.randn(d, min(k, d), generator=generator, dtype=torch.float64)).Q.T.contiguous()
