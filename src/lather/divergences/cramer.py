"""The one-dimensional Cramér distance."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.sliced import SliceStatistic

__all__ = ["Cramer"]


class Cramer(SliceStatistic):
    r"""∫ (F_n(t) − Φ(t))² dt = mean E|x − Z| − 1/√π − ½ mean |x_i − x_j|, by one sort.

    It is half the energy distance in one dimension, and averaged over *all* slices it is c_d/2 times that in d, c_d =
    Γ(d/2)/(√π Γ((d+1)/2)): where n² pairs are affordable, :class:`~lather.divergences.energy.Energy` gives the same
    without slicing noise; this is linear in n but for the sort. Like it, it keeps its gradient when latents collapse
    or are far away, and the pull on an outlier is bounded.

    Unbiased by default: pairs i ≠ j, expectation 0 under N(0, 1), may be slightly negative.

    Sees: what the energy distance sees: mean first, then spread. Misses: tails and clusters at training batch
    sizes. Null: mean 0. Cost: O(n log n) a slice.

    Args:
        unbiased: ``False`` takes all n² pairs, the distance as written.

    Reference:
        Székely, Rizzo (2013), Energy statistics: a class of statistics based on distances, JSPI 143.

    Example:
        >>> value = Cramer(unbiased=False).against_normal(torch.zeros(1, 4))  # 2 ∫₀^∞ (1 − Φ)²
        >>> round(float(value), 4) == round((math.sqrt(2) - 1) / math.sqrt(math.pi), 4)
        True
    """

    def __init__(self, unbiased: bool = True) -> None:
        super().__init__()
        self.unbiased = unbiased

    def against_normal(self, x: Float[Tensor, "k n"]) -> Float[Tensor, "k"]:
        z = x.double()
        density = torch.exp(-0.5 * z.square()) * math.sqrt(2 / math.pi)
        reach = z * torch.special.erf(z / math.sqrt(2)) + density  # E|x − Z|
        value = reach.mean(1) - 1 / math.sqrt(math.pi) - _pair_mean(z, self.unbiased) / 2
        return value.to(x.dtype)

    def against_draws(self, x: Float[Tensor, "k n"], y: Float[Tensor, "k m"]) -> Float[Tensor, "k"]:
        z, draws = x.double(), y.double()
        (n, m), both = (x.shape[1], y.shape[1]), torch.cat([z, draws], 1)
        cross = (_pair_total(both) - _pair_total(z) - _pair_total(draws)) / (n * m)
        value = cross - _pair_mean(z, self.unbiased) / 2 - _pair_mean(draws, self.unbiased) / 2
        return value.to(x.dtype)


def _pair_total(x: Tensor) -> Tensor:
    """Σ_{i<j} |x_i − x_j| = Σ_i (2i − n − 1) x_(i)."""
    n = x.shape[1]
    weight = 2 * torch.arange(1, n + 1, dtype=x.dtype, device=x.device) - (n + 1)
    return x.sort(dim=1).values @ weight


def _pair_mean(x: Tensor, unbiased: bool) -> Tensor:
    n = x.shape[1]
    return 2 * _pair_total(x) / (n * (n - 1) if unbiased else n**2)
