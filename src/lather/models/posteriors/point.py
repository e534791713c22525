"""Posteriors without a learned spread: a point, a point on the sphere, a point with fixed noise."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.errors import ConfigError
from lather.models.posteriors.base import Posterior
from lather.models.posteriors.distributions import Delta, DiagonalNormal, LatentDistribution

__all__ = ["FixedNoise", "Point", "Sphere", "on_sphere"]


class Point(Posterior):
    """The encoder's output is the latent: a deterministic autoencoder (WAE, SWAE, CWAE, RAE, ...).

    Example:
        >>> Point()(torch.ones(1, 2), (2,)).draw()
        tensor([[1., 1.]])
    """

    summary: ClassVar[str] = "a point: the encoder's output is the latent"
    random: ClassVar[bool] = False
    density: ClassVar[bool] = False

    def distribution(self, h: Tensor, latent_shape: tuple[int, ...]) -> LatentDistribution:
        return Delta(h.flatten(1))


class FixedNoise(Posterior):
    r"""N(code, σ²I) with the same σ for every datum and coordinate.

    Decoding from noisy codes keeps neighbouring codes apart by about σ, and so makes the decoder smooth at
    that scale. (Without a loss on the code's size the encoder escapes the noise by spreading the codes.)

    Args:
        sigma: the standard deviation, above 0.

    Example:
        >>> FixedNoise(0.5)(torch.ones(1, 2), (2,)).stddev
        tensor([[0.5000, 0.5000]])
    """

    summary: ClassVar[str] = "a point plus Gaussian noise of fixed size"
    gaussian: ClassVar[bool] = True

    def __init__(self, sigma: float = 0.1) -> None:
        super().__init__()
        if not 0 < sigma < math.inf:
            raise ConfigError(f"FixedNoise needs a finite sigma above 0, got {sigma}; without noise use Point()")
        self.sigma = float(sigma)

    def distribution(self, h: Tensor, latent_shape: tuple[int, ...]) -> LatentDistribution:
        return DiagonalNormal(h.flatten(1), h.new_tensor(2 * math.log(self.sigma)))


class Sphere(Posterior):
    r"""The encoder's output divided by its norm: a point on the unit sphere of R^d.

    The only direction lost is the length, and the gradient is tangent to the sphere. An output shorter than
    1e-6 has no direction worth the name; the first axis is added to it before it is normalised, so that value
    and gradient stay finite. Goes with ``UniformSphere`` priors.

    Example:
        >>> Sphere()(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), (2,)).mean
        tensor([[0.6000, 0.8000],
                [1.0000, 0.0000]])
    """

    summary: ClassVar[str] = "a point on the unit sphere, for UniformSphere priors"
    random: ClassVar[bool] = False
    density: ClassVar[bool] = False
    euclidean: ClassVar[bool] = False

    def distribution(self, h: Tensor, latent_shape: tuple[int, ...]) -> LatentDistribution:
        return Delta(on_sphere(h.flatten(1)))


def on_sphere(x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
    """Rows divided by their norms; to a row shorter than 1e-6 the first axis is added before."""
    short = torch.linalg.vector_norm(x.detach(), dim=1, keepdim=True) < 1e-6  # (b, 1)
    pole = torch.zeros_like(x[:1])
    pole[:, 0] = 1
    x = x + short * pole
    return x / torch.linalg.vector_norm(x, dim=1, keepdim=True)
