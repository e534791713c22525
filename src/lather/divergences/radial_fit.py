"""Smooth functions of a squared radius as one short polynomial, value and derivative together.

The functions that divergences need (Gaussian expectations of radial kernels) fall off like a power of s. Written as
F(s) = u^ν h(2u − 1) with u = a/(a+s), the factor h is a smooth function on [−1, 1], *all* s included, and a
polynomial of low degree hits it to machine precision: φ_64 needs degree 6 in float32. There is no table
to look up, no range to leave, and the derivative is that of the very polynomial.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.table import Table

__all__ = ["RadialFit"]


class RadialFit:
    """F(s) ≈ u^ν h(2u − 1), u = a/(a+s), h a polynomial, for all s ≥ 0.

    Args:
        function: float64 tensor of s ≥ 0 to F(s).
        a: scale of s, positive.
        power: ν, the rate of decay: F(s) ~ s^{−ν} for large s (negative for growth).
        tolerance: error allowed relative to the largest |h|.

    ``value`` holds the Chebyshev coefficients of h, and ``slope`` those of g with F′(s) = −u^{ν+1}/a · g(2u − 1).
    """

    def __init__(self, function: Callable[[Tensor], Tensor], a: float, power: float, tolerance: float = 1e-13) -> None:
        self.a, self.power = a, power
        for degree in (32, 64, 128, 256):
            coefficients = _interpolate(function, a, power, degree)
            small = np.abs(coefficients) <= tolerance * np.abs(coefficients).max() / 2
            if small[-4:].all():
                break
        last = int(np.flatnonzero(~small)[-1])
        self.value = coefficients[: last + 1]
        derivative = np.polynomial.chebyshev.chebder(self.value)
        slope = np.polynomial.chebyshev.chebmul([1.0, 1.0], derivative)  # (x + 1) h′ = 2u h′
        self.slope = np.polynomial.chebyshev.chebadd(power * self.value, slope)[: last + 1]
        self.both = Table(torch.from_numpy(np.stack([self.value, self.slope], axis=1)))
        self._monomials: tuple[Tensor, Tensor] | None = None

    def monomials(self) -> tuple[Tensor, Tensor]:
        """Coefficients of h and g in powers of x = 2u − 1, highest first, for Horner's rule; float64 on the CPU."""
        if self._monomials is None:
            h, g = (np.polynomial.chebyshev.cheb2poly(c)[::-1].copy() for c in (self.value, self.slope))
            self._monomials = torch.from_numpy(h), torch.from_numpy(g)
        return self._monomials

    def __call__(self, s: Float[Tensor, "n"]) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
        """F(s) and F′(s) in float64."""
        u = self.a / (self.a + s.double())
        order = torch.arange(len(self.value), dtype=torch.float64, device=s.device)
        chebyshev = torch.cos(torch.acos(2 * u - 1)[:, None] * order)
        h, g = (chebyshev @ self.both.on(u)).unbind(1)
        power = u**self.power
        return h * power, g * power * u * (-1 / self.a)


def _interpolate(function: Callable[[Tensor], Tensor], a: float, power: float, degree: int) -> Any:
    theta = math.pi * (np.arange(degree + 1) + 0.5) / (degree + 1)
    u = np.cos(theta / 2) ** 2
    s = a * np.tan(theta / 2) ** 2
    h = function(torch.from_numpy(s)).numpy() * u**-power
    transform = np.cos(np.outer(np.arange(degree + 1), theta)) * (2 / (degree + 1))
    transform[0] /= 2
    return transform @ h
