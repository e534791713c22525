"""Functions of the squared distance, evaluated in place on a block: the elementwise half of the pairwise engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lather.divergences.radial_fit import RadialFit

__all__ = ["GaussianProfile", "InversePowerProfile", "InverseQuadraticProfile", "Profile", "RootProfile"]


@runtime_checkable
@runtime_checkable
class Profile(Protocol):
    """f(D) and f′(D) on a block of squared distances.

    ``spare`` counts the scratch blocks it needs beside the block of distances itself.
    """

    spare: int

    def __call__(self, distances: Tensor, spare: Sequence[Tensor], slope: bool) -> tuple[Tensor, Tensor]:
        """Σ f over the block (float64, 0-d) and, if ``slope``, the block of f′.

        The block of f′ is ``distances`` or one of ``spare``; all of them may be overwritten. f′ must be finite
        at D = 0.
        """
        ...


def _total(values: Tensor) -> Tensor:
    """Sum in two steps: rows in the block's own precision, then float64."""
    return values.sum(-1).double().sum()


class GaussianProfile:
    """weight · exp(−rate · D)."""

    spare = 0

    def __init__(self, rate: float, weight: float = 1.0) -> None:
        self.rate, self.weight = rate, weight

    def __call__(self, distances: Tensor, spare: Sequence[Tensor], slope: bool) -> tuple[Tensor, Tensor]:
        values = distances.mul_(-self.rate).clamp_min_(-87.0).exp_()  # exp is slow where it underflows
        total = _total(values) * self.weight
        return total, values.mul_(-self.rate * self.weight) if slope else values


class InverseQuadraticProfile:
    """Σ_C C/(C+D)."""

    spare = 2

    def __init__(self, constants: Sequence[float]) -> None:
        self.constants = tuple(constants)

    def __call__(self, distances: Tensor, spare: Sequence[Tensor], slope: bool) -> tuple[Tensor, Tensor]:
        term, slopes = spare
        rows = distances.new_zeros(len(distances))
        if slope:
            slopes.zero_()
        for c in self.constants:
            torch.add(distances, c, out=term).reciprocal_()
            rows.add_(term.sum(-1), alpha=c)
            if slope:
                slopes.addcmul_(term, term, value=-c)
        return rows.double().sum(), slopes


class RootProfile:
    """−√D; the slope is taken as 0 at D = 0."""

    spare = 0

    def __call__(self, distances: Tensor, spare: Sequence[Tensor], slope: bool) -> tuple[Tensor, Tensor]:
        roots = distances.sqrt_()
        total = -_total(roots)
        if slope:
            roots.reciprocal_().mul_(-0.5).nan_to_num_(nan=torch.nan, posinf=0.0, neginf=0.0)
        return total, roots


class InversePowerProfile:
    """weight · u^½ h(2u − 1), u = a/(a + rate · D): a :class:`RadialFit` of power ½ in s = rate · D."""

    spare = 2

    def __init__(self, fit: RadialFit, rate: float, weight: float = 1.0) -> None:
        assert fit.power == 0.5
        self.rate = rate / fit.a
        h, g = fit.monomials()
        self.value = weight * h
        self.slope = (-0.5 * weight * self.rate) * g

    def __call__(self, distances: Tensor, spare: Sequence[Tensor], slope: bool) -> tuple[Tensor, Tensor]:
        x, h = spare
        root = distances.mul_(self.rate).add_(1.0).rsqrt_()  # √u
        torch.mul(root, root, out=x).mul_(2.0).sub_(1.0)  # 2u − 1
        total = _total(_horner(self.value, x, h).mul_(root))
        if slope:
            h = _horner(self.slope, x, h).mul_(root)
            return total, h.mul_(x.add_(1.0))  # 2u
        return total, h


def _horner(coefficients: Tensor, x: Tensor, out: Tensor) -> Tensor:
    """Polynomial with ``coefficients`` (highest power first) of x, in ``out``; one pass over the block for each."""
    if len(coefficients) == 1:
        return out.fill_(float(coefficients[0]))
    lead, second, *rest = coefficients.to(x).unbind()
    torch.mul(x, lead, out=out).add_(second)
    for c in rest:
        torch.addcmul(c, out, x, out=out)
    return out
