"""Radial kernels as scale mixtures of Gaussians, f(D) = ∫ e^{−uD} dμ(u), and with that their averages under N(0, I)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.table import Table

__all__ = ["ScaleMixture", "gamma_mixture", "stable_mixture"]


@dataclass(frozen=True)
class ScaleMixture:
    """f(D) = Σ_k w_k e^{−u_k D}: nodes of an equally spaced rule in log u, which converges exponentially.

    Every Gaussian has its averages over Y ~ N(0, I_d) in closed form, and so has their sum. Float64 throughout; the
    absolute error is about 1e-14 times f(0).

    Args:
        rates: u_k, positive (k,).
        weights: w_k (k,).
    """

    rates: Float[Tensor, "k"]
    weights: Float[Tensor, "k"]
    _rates: Table = field(init=False, repr=False)
    _weights: Table = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_rates", Table(self.rates))
        object.__setattr__(self, "_weights", Table(self.weights))

    def prior_mean(self, r2: Float[Tensor, "n"], d: int) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
        """E f(‖x − Y‖²) for ‖x‖² = r2, and its derivative in r2; n·k exponentials."""
        r2 = r2.double()
        u, weights = self._rates.on(r2), self._weights.on(r2)
        shrunk = u / (1 + 2 * u)
        weights = weights * torch.exp(-0.5 * d * torch.log1p(2 * u))
        if r2.device.type == "cpu":  # an accelerator would make the host wait to learn how many there are
            kept = weights > 1e-20  # the rest does not show
            weights, shrunk = weights[kept], shrunk[kept]
        terms = weights * torch.exp(-r2[:, None] * shrunk)
        return terms.sum(1), -(terms @ shrunk)

    def prior_self(self, d: int) -> float:
        """E f(‖Y − Y′‖²)."""
        return float((self.weights * torch.exp(-0.5 * d * torch.log1p(4 * self.rates))).sum())

    def null_variance(self, n: int, d: int) -> float:
        """Variance of the unbiased squared MMD of n draws from N(0, I_d): 2 E h² / (n(n−1)), h the centred kernel."""
        u, v = self.rates[:, None], self.rates
        pairs = torch.exp(-0.5 * d * torch.log1p(4 * (u + v)))
        means = torch.exp(-0.5 * d * torch.log((1 + 2 * u) * (1 + 2 * v) + 2 * u * (1 + 2 * v) + 2 * v * (1 + 2 * u)))
        selves = torch.exp(-0.5 * d * (torch.log1p(4 * u) + torch.log1p(4 * v)))
        square = self.weights @ (pairs - 2 * means + selves) @ self.weights
        return float(2 * square / (n * (n - 1)))


def gamma_mixture(shape: float, rate: float) -> ScaleMixture:
    """(1 + D/rate)^{−shape} = E e^{−uD} for u ~ Gamma(shape, rate).

    Example:
        >>> mixture = gamma_mixture(0.5, 3.0)
        >>> round(float((mixture.weights * torch.exp(-9 * mixture.rates)).sum()), 12)
        0.5
    """
    step = min(0.2, 0.6 / math.sqrt(shape))
    low = min(-36 / shape, -9 / math.sqrt(shape)) + math.log(shape)
    high = math.log(shape + 10 * math.sqrt(shape) + 45)
    y = torch.arange(low, high, step, dtype=torch.float64)
    t = torch.exp(y)
    return ScaleMixture(t / rate, step * torch.exp(shape * y - t - math.lgamma(shape)))


def stable_mixture(length: float) -> ScaleMixture:
    """exp(−√D / length) = (2/√π) ∫₀^∞ e^{−v²} e^{−uD} dv with u = 1/(2·length·v)², a one-sided stable law of index ½.

    Example:
        >>> mixture = stable_mixture(2.0)
        >>> value = (mixture.weights * torch.exp(-16 * mixture.rates)).sum()
        >>> round(float(value), 12) == round(math.exp(-2), 12)
        True
    """
    step = 0.12
    y = torch.arange(-36.0, 1.9, step, dtype=torch.float64)
    v = torch.exp(y)
    return ScaleMixture((0.5 / (length * v)).square(), step * 2 / math.sqrt(math.pi) * torch.exp(y - v.square()))
