"""Radii against their law."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.base import Divergence
from lather.divergences.empirical_law import EmpiricalLaw, Law
from lather.errors import CapabilityError
from lather.priors.base import Prior

__all__ = ["RadiusCDF"]


class RadiusCDF(Divergence):
    r"""mean_i (F(r²_(i)) − (i − ½)/n)²: squared radii, sorted, against quantiles of their law F (χ²_d for N(0, I)).

    It sees what wide kernels hardly do, a change of scale or of tails, and is blind to direction: use it with
    :class:`~lather.divergences.distance_cdf.DistanceCDF` or another divergence. Never negative; its expectation under
    the prior is (1 − 1/2n)/6n, not 0. Not multiplied by n. Cost O(n d + n log n).

    Where the prior does not know the law of ‖z‖², that of max(4n, 4096) draws is used, linearly interpolated.

    Sees: scale and tails, at any d. Misses: direction altogether: mean on a shell, correlation, clusters. Null: (1
    − 1/2n)/6n. Cost: O(n d + n log n).

    Reference:
        Duda (2018), Gaussian AutoEncoder, arXiv:1811.04751.

    Example:
        >>> from lather.priors import StandardNormal
        >>> round(float(RadiusCDF()(torch.zeros(100, 5), StandardNormal(5))), 2)
        0.33
    """

    summary: ClassVar[str] = "sorted radii against their law (Gaussian auto-encoder, with distance-cdf)"

    def __init__(self) -> None:
        super().__init__()

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        # at r = 0 the density of r² is infinite for d = 1; clamped, its gradient there is 0, as it should be
        r2 = z.double().square().sum(1).clamp_min(1e-30).sort().values
        law: Law | None = prior.squared_radius()
        if law is None:
            draws = prior.sample(max(4 * len(z), 4096), generator=generator).to(z)
            law = EmpiricalLaw(draws.square().sum(1))
        return quantile_gap(r2, law).to(z.dtype)

    def check(self, prior: Prior) -> None:
        if not prior.euclidean:
            raise CapabilityError(
                f"RadiusCDF compares radii, but under {prior!r} the radius is constant; use DistanceCDF(), Energy() or "
                "MMD() instead"
            )

    def needs(self, prior: Prior) -> str:
        return "prior samples" if prior.squared_radius() is None else "closed form"

    def biased(self) -> Divergence:
        return self

    def null_moments(self, prior: Prior, n: int) -> tuple[float | None, float | None]:
        if self.needs(prior) == "prior samples":
            return None, None
        return (1 - 0.5 / n) / (6 * n), ((4 * n - 3) / 180 / n**3) ** 0.5  # of Cramér–von Mises without its 1/12n²


def quantile_gap(ordered: Float[Tensor, "m"], law: Law) -> Float[Tensor, ""]:
    """mean_k (F(q_(k)) − (k − ½)/m)² for sorted values q, in their dtype."""
    m = len(ordered)
    positions = (torch.arange(m, dtype=ordered.dtype, device=ordered.device) + 0.5) / m
    return (law.cdf(ordered) - positions).square().mean()
