"""Uniformity on the sphere."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.base import Divergence
from lather.divergences.pairwise import pair_sum
from lather.divergences.profiles import GaussianProfile
from lather.errors import CapabilityError, ConfigError
from lather.priors.base import Prior
from lather.priors.uniform import UniformSphere

__all__ = ["SphereUniformity", "sphere_potential"]


class SphereUniformity(Divergence):
    r"""Mean of exp(−t‖x − y‖²) over pairs of directions x, y, less its value for the uniform law on the sphere.

    All points of the sphere have the same mean kernel value against the uniform law, :func:`sphere_potential`, so this
    *is* the squared MMD with a Gaussian kernel, exact and without prior draws. The uniformity loss of contrastive
    learning is the logarithm of its first term, minimised by the same laws.

    Latents are divided by their length first: nothing changes on the sphere, and off it the radius is not seen.
    Unbiased by default: expectation 0 under the prior, may be slightly negative. It sees the mean direction first,
    then clusters of a width of about 1/√t; in many dimensions and at small t little else. Cost O(n² d), memory O(n d).

    Sees: the mean direction, then clusters of a width of 1/√t. Misses: the radius; fine structure in many
    dimensions. Null: mean 0. Cost: O(n² d), no prior draws.

    Args:
        t: positive; 2 is the authors'. About d/4 keeps the kernel's width in step with typical distances.
        unbiased: mean over pairs i ≠ j; ``False`` takes all n² pairs, never negative.

    Raises:
        ConfigError: t is not positive, or above 1000.

    Reference:
        Wang, Isola (2020), Understanding Contrastive Representation Learning through Alignment and Uniformity on the
        Hypersphere, arXiv:2005.10242.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
        >>> value = SphereUniformity(unbiased=False)(z, UniformSphere(2))
        >>> round(float(value), 5) == round((1 + math.exp(-8)) / 2 - sphere_potential(2.0, 2), 5)
        True
    """

    summary: ClassVar[str] = "uniformity on the sphere (Wang & Isola): Gaussian MMD against the uniform law, exact"

    def __init__(self, t: float | int = 2.0, unbiased: bool = True) -> None:
        super().__init__()
        if not 0 < t <= 1000:
            raise ConfigError(f"SphereUniformity needs t above 0 and at most 1000, got {t!r}; 2 is usual")
        self.t = float(t)
        self.unbiased = unbiased

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        n, d = z.shape
        total = 2 * pair_sum(torch.nn.functional.normalize(z, dim=1), GaussianProfile(self.t))
        mean = total / (n * (n - 1)) if self.unbiased else (total + n) / n**2
        return (mean - sphere_potential(self.t, d)).to(z.dtype)

    def check(self, prior: Prior) -> None:
        if not isinstance(prior, UniformSphere):
            raise CapabilityError(
                f"SphereUniformity compares directions with the uniform law on the sphere and not with {prior!r}; use "
                "UniformSphere(d) and the Sphere() posterior, or MMD(GaussianKernel(...)), which takes any prior"
            )

    def needs(self, prior: Prior) -> str:
        return "closed form"

    def null_moments(self, prior: Prior, n: int) -> tuple[float | None, float | None]:
        centre = sphere_potential(self.t, prior.d)
        squared = sphere_potential(2 * self.t, prior.d) - centre**2
        if self.unbiased:
            return 0.0, math.sqrt(2 * squared / (n * (n - 1)))
        return (1 - centre) / n, math.sqrt(2 * (n - 1) * squared / n**3)


def sphere_potential(t: float, d: int) -> float:
    r"""E exp(−t‖x − Y‖²) for ‖x‖ = 1 and Y uniform on the unit sphere of R^d: e^{−2t} ₀F₁(; d/2; t²).

    Example:
        >>> round(sphere_potential(1.0, 3), 12) == round((1 - math.exp(-4)) / 4, 12)
        True
    """
    log_term, largest, k, terms = -2 * t, -math.inf, 0, []
    while log_term > largest - 40:
        terms.append(math.exp(log_term))
        largest = max(largest, log_term)
        k += 1
        log_term += 2 * math.log(t) - math.log(k) - math.log(d / 2 + k - 1)
    return math.fsum(terms)
