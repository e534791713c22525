"""The energy distance."""

from __future__ import annotations

import functools
import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.base import Divergence
from lather.divergences.kernel_distance import kernel_distance
from lather.divergences.null_variance import pair_null_moments
from lather.divergences.profiles import Profile, RootProfile
from lather.divergences.radial_fit import RadialFit
from lather.divergences.special import gamma_ratio, mean_distance
from lather.priors.base import Prior

__all__ = ["Energy"]


class Energy(Divergence):
    r"""Energy distance 2 E‖x − Y‖ − E‖Y − Y′‖ − E‖x − x′‖, x from the batch, Y from the prior.

    It has no bandwidth, keeps its gradient when latents collapse or are far away, and its pull on an outlier is
    bounded. It equals the Cramér distance of projections averaged over *all* directions, divided by c_d/2,
    c_d = Γ(d/2) / (√π Γ((d+1)/2)): with it there is nothing to slice.

    Unbiased by default: expectation 0 under the prior, minimised by latents of scale 1, may be slightly negative.
    Not multiplied by n. Against N(0, I) exact in Y: E‖x − Y‖ is a function of ‖x‖ (see
    :func:`~lather.divergences.special.mean_distance`). Cost O(n² d), memory O(n d). Coinciding samples
    contribute no gradient to each other.

    Sees: mean first, then covariance, with a gradient everywhere. Misses: tails, single bimodal axes and clusters
    at training batch sizes. Null: mean 0. Cost: O(n² d), no prior draws against N(0, I).

    Args:
        unbiased: ‖x − x′‖ averaged over pairs i ≠ j; ``False``: over all n² pairs, which makes it non-negative and
            its minimiser smaller than the prior.

    Reference:
        Székely, Rizzo (2013), Energy statistics: a class of statistics based on distances, JSPI 143.

    Example:
        >>> from lather.priors import StandardNormal
        >>> float(Energy()(torch.zeros(8, 2), StandardNormal(2))) > 0.7
        True
    """

    summary: ClassVar[str] = "energy distance: no bandwidth, equal to the Cramér distance of all slices"

    def __init__(self, unbiased: bool = True) -> None:
        super().__init__()
        self.unbiased = unbiased

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        return kernel_distance(z, _NegativeDistance(), prior, generator, self.unbiased)

    def needs(self, prior: Prior) -> str:
        return "closed form" if prior.standard else "prior samples"

    def null_moments(self, prior: Prior, n: int) -> tuple[float | None, float | None]:
        return pair_null_moments(_NegativeDistance(), prior, n, self.unbiased)


class _NegativeDistance:
    """k(x, y) = −‖x − y‖."""

    at_zero = 0.0

    def profile(self, d: int) -> Profile:
        return RootProfile()

    def prior_mean(self, r2: Tensor, d: int) -> tuple[Tensor, Tensor]:
        mean, slope = _distance_fit(d)(r2)
        return -mean, -slope

    def prior_self(self, d: int) -> float:
        return -2 * gamma_ratio(d)


@functools.lru_cache(maxsize=64)
def _distance_fit(d: int) -> RadialFit:
    return RadialFit(lambda r2: mean_distance(r2, d), a=d + math.sqrt(d), power=-0.5)
