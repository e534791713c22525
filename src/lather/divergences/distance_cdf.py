"""Pair distances against their law."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Gamma

from lather.compiled import over
from lather.divergences.base import Divergence
from lather.divergences.empirical_law import EmpiricalLaw, Law
from lather.divergences.pairwise import centre, pair_sum, sweep
from lather.divergences.radius_cdf import quantile_gap
from lather.divergences.tabulated_law import TabulatedLaw, moving_range
from lather.priors.base import Prior

__all__ = ["DistanceCDF"]

_SORTED_PAIRS = 2**17  # above this many pairs (n > 512) ranks are counted, not sorted
_BINS = 2**16


class DistanceCDF(Divergence):
    r"""mean_k (F(D_(k)) − (k − ½)/m)²: squared pair distances, sorted, against quantiles of their law F.

    There are m = n(n−1)/2 of them; for N(0, I), D/2 follows χ²_d. It does not see where the latents lie, only how
    they lie to each other: use it with :class:`~lather.divergences.radius_cdf.RadiusCDF`, equally weighted. Never
    negative; its expectation under the prior is of order 1/n, not 0. Not multiplied by m.

    Up to 2¹⁷ pairs (n = 512) the distances are held and sorted. Beyond, a first pass counts them in 2¹⁶ bins over
    the range where F moves (all but 10⁻⁸ of its mass on either side), and a second one takes value and gradient
    with the bin's middle rank: deterministic, memory O(n d), each plotting position right to half a bin's share.

    The law of N(0, I) is tabulated, right to 10⁻⁹, except at D = 0 for d = 1 (2·10⁻⁸).

    Where the prior does not know the law, it is that of up to 2¹⁷ distances among max(n, 256) draws, interpolated.

    Sees: how latents lie to each other: spread, clusters. Misses: where they lie: a shift changes nothing. Null: of
    order 1/n. Cost: O(n² d).

    Reference:
        Duda (2018), Gaussian AutoEncoder, arXiv:1811.04751.

    Example:
        >>> from lather.priors import StandardNormal
        >>> round(float(DistanceCDF()(torch.zeros(64, 5), StandardNormal(5))), 2)
        0.33
    """

    summary: ClassVar[str] = "sorted pair distances against their law (Gaussian auto-encoder, with radius-cdf)"

    def __init__(self) -> None:
        super().__init__()

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        n = len(z)
        law = _law(prior, n, z, generator)
        if n * (n - 1) // 2 <= _SORTED_PAIRS:
            return quantile_gap(_ascending(_pair_distances(z)).double(), law).to(z.dtype)
        return _counted_gap(z, law).to(z.dtype)

    def needs(self, prior: Prior) -> str:
        return "prior samples" if prior.squared_distance() is None else "closed form"

    def biased(self) -> Divergence:
        return self


def _law(prior: Prior, n: int, z: Tensor, generator: torch.Generator | None) -> Law:
    if prior.standard:
        return _normal_law(prior.d, z.device)
    known = prior.squared_distance()
    if known is not None:
        return TabulatedLaw(known, z.device)
    return EmpiricalLaw(_reference_distances(prior.sample(max(n, 256), generator=generator).to(z)))


@functools.lru_cache(maxsize=16)
def _normal_law(d: int, device: torch.device) -> Law:
    """Law of ‖z − z′‖² under N(0, I_d)."""
    like = torch.zeros((), dtype=torch.float64)
    law = TabulatedLaw(Gamma(like + d / 2, like + 0.25, validate_args=False), like.device)
    return law.to(device)  # as one copy: on an accelerator each of its many questions would make the host wait


def _ascending(x: Tensor) -> Tensor:
    """Sorted; by numpy where no gradient is wanted, whose sort of 32 640 floats is ten times faster on a CPU."""
    if x.requires_grad or x.device.type != "cpu":
        return x.sort().values
    return torch.from_numpy(np.sort(x.numpy()))


def _pair_distances(x: Tensor) -> Tensor:
    """‖x_i − x_j‖² for i < j, differentiable, (n(n−1)/2,); float64 where float32 would not do."""
    wide = x.detach().double()
    middle, dtype = centre(wide, wide, x.dtype)
    x = (x.double() - middle).to(dtype)
    x2 = x.square().sum(1)
    i, j = torch.triu_indices(len(x), len(x), 1, device=x.device)
    return (x2[i] + x2[j] - 2 * (x @ x.T)[i, j]).clamp_min(0.0)


def _reference_distances(y: Tensor) -> Tensor:
    """Squared distances among draws: all pairs, or as many cyclic shifts as there is room for."""
    n = len(y)
    if n * (n - 1) // 2 <= _SORTED_PAIRS:
        return _pair_distances(y)
    return torch.cat([(y - y.roll(k, 0)).square().sum(1) for k in range(1, _SORTED_PAIRS // n + 1)])


def _counted_gap(z: Tensor, law: Law) -> Tensor:
    low, high = law.middle if isinstance(law, TabulatedLaw) else moving_range(law, z.device, 1e-8)
    m = len(z) * (len(z) - 1) / 2
    counts, _ = sweep(z.detach(), None, _Counts(low, high), False)
    middle = (counts.cumsum(0) - 0.5 * counts) / m
    with torch.enable_grad():
        centre = low + (torch.arange(_BINS, dtype=torch.float64, device=z.device) + 0.5) * (high - low) / _BINS
        f = law.cdf(centre.requires_grad_())
        gap = (f - middle).square()
        (slope,) = torch.autograd.grad(gap.sum(), centre)
    slope[[0, -1]] = 0.0  # bins of all that lies beyond, where F is flat
    width = counts / m - torch.gradient(f.detach())[0]
    gap = gap.detach() + width.square() / 12  # ranks within a bin are spread evenly
    alarm = 0.0 * z.detach().sum()  # NaN if there is one in z, which the bins would hide
    return pair_sum(z, _Lookup(low, high, gap, slope.to(z.dtype))) / m + alarm


class _Counts:
    """A profile that counts distances in bins, 0 … 2¹⁶ − 1, instead of summing a function of them.

    Those beyond the range go to the outermost bins.
    """

    factor, spare, span = 1.0, 0, 2**20

    def __init__(self, low: float, high: float) -> None:
        self.scale = _BINS / (high - low)
        self.offset = -low * self.scale

    def __call__(self, block: Tensor, spare: Sequence[Tensor], slope: bool) -> Tensor:
        bins = self.bins(block).flatten()
        if bins.device.type == "cpu":
            return torch.bincount(bins, minlength=_BINS).double()
        counts = torch.zeros(_BINS, dtype=torch.float64, device=bins.device)  # bincount makes the host wait
        return counts.index_add_(0, bins, counts.new_ones(1).expand(len(bins)))

    def fused(self, block: Tensor) -> Tensor:
        from lather.divergences import fused

        return torch.from_numpy(sum(over(block, fused.counts, _BINS))).double()

    def bins(self, block: Tensor) -> Tensor:
        return block.nan_to_num_(0.0).clamp_(0, _BINS - 1).long()


class _Lookup(_Counts):
    """f and f′ from a table over the bins."""

    def __init__(self, low: float, high: float, value: Tensor, slope: Tensor) -> None:
        super().__init__(low, high)
        self.value, self.slope = value, slope

    def __call__(self, block: Tensor, spare: Sequence[Tensor], slope: bool) -> Tensor:
        bins = self.bins(block)
        if slope:
            block.copy_(self.slope[bins])
        return self.value[bins].sum()

    def fused(self, block: Tensor) -> Tensor:
        from lather.divergences import fused

        parts = over(block, fused.lookup, self.value.numpy(), self.slope.numpy())
        return torch.tensor(sum(parts), dtype=torch.float64)
