"""Functions of the squared distance, evaluated in place on a block: the elementwise half of the pairwise engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from lather.compiled import over
from lather.divergences.radial_fit import RadialFit

__all__ = [
    "FusedProfile",
    "GaussianProfile",
    "InversePowerProfile",
    "InverseQuadraticProfile",
    "LaplacianProfile",
    "MixedProfile",
    "Profile",
    "RationalProfile",
    "RootProfile",
]


@runtime_checkable
class Profile(Protocol):
    """f(D) and f′(D) on a block of squared distances.

    What it is given is ``offset + scale · D``, as the matrix product delivers it for free; cancellation may leave it a
    little on the wrong side of D = 0. What it leaves is f′(D) / ``factor``, finite at D = 0.
    """

    scale: float
    offset: float
    factor: float
    spare: int  #: scratch blocks needed beside the block itself
    span: int  #: elements that are best handled at once on a CPU, so that the block and its scratch stay in cache

    def __call__(self, block: Tensor, spare: Sequence[Tensor], slope: bool) -> Tensor:
        """Σ f over the block in float64; f′/factor takes its place in ``block`` if ``slope``."""
        ...


@runtime_checkable
class FusedProfile(Profile, Protocol):
    """A profile that also has a compiled loop, for float32 on a CPU; see :mod:`lather.compiled`."""

    def fused(self, block: Tensor) -> Tensor:
        """What calling the profile does, with ``slope`` set, in one go."""
        ...


def _total(values: Tensor) -> Tensor:
    """Sum in two steps: rows in the block's own precision, then float64."""
    return values.sum(-1).double().sum()


class GaussianProfile:
    """weight · exp(−rate · D)."""

    offset, spare, span = 0.0, 0, 2**17

    def __init__(self, rate: float, weight: float = 1.0) -> None:
        self.scale, self.weight, self.factor = -rate, weight, -rate * weight

    def __call__(self, block: Tensor, spare: Sequence[Tensor], slope: bool) -> Tensor:
        return _total(block.clamp_(-87.0, 0.0).exp_()) * self.weight  # exp is slow where it underflows


class InverseQuadraticProfile:
    """Σ_C C/(C+D)."""

    scale, offset, factor, spare, span = 1.0, 0.0, -1.0, 2, 2**16

    def __init__(self, constants: Sequence[float]) -> None:
        self.constants = tuple(constants)
        self.fours = _in_fours(list(constants), 1.0), _in_fours(list(constants), 0.0)

    def __call__(self, block: Tensor, spare: Sequence[Tensor], slope: bool) -> Tensor:
        term, slopes = spare
        block.clamp_min_(0.0)
        total = torch.zeros((), dtype=torch.float64, device=block.device)
        for c in self.constants:
            torch.add(block, c, out=term).reciprocal_()
            total += c * _total(term)
            if slope and c == self.constants[0]:
                torch.mul(term, term, out=slopes).mul_(c)
            elif slope:
                slopes.addcmul_(term, term, value=c)
        if slope:
            block.copy_(slopes)
        return total

    def fused(self, block: Tensor) -> Tensor:
        from lather.divergences import fused

        return torch.tensor(sum(over(block, fused.inverse_quadratics, *self.fours)), dtype=torch.float64)


class RootProfile:
    """−√D; the slope is taken as 0 at D = 0."""

    scale, offset, factor, spare, span = 1.0, 0.0, -0.5, 0, 2**17

    def __call__(self, block: Tensor, spare: Sequence[Tensor], slope: bool) -> Tensor:
        total = -_total(block.clamp_min_(0.0).sqrt_())
        if slope:
            block.reciprocal_().nan_to_num_(nan=torch.nan, posinf=0.0, neginf=0.0)
        return total


class LaplacianProfile:
    """exp(−√D / length); the slope is taken as 0 at D = 0."""

    offset, spare, span = 0.0, 1, 2**17

    def __init__(self, length: float) -> None:
        self.scale, self.factor = length**-2, -0.5 * length**-2

    def __call__(self, block: Tensor, spare: Sequence[Tensor], slope: bool) -> Tensor:
        root = block.clamp_min_(0.0).sqrt_()
        value = torch.clamp(root, max=87.0, out=spare[0]).neg_().exp_()
        total = _total(value)
        if slope:
            root.reciprocal_().nan_to_num_(nan=torch.nan, posinf=0.0, neginf=0.0).mul_(value)
        return total


class RationalProfile:
    """(1 + rate · D)^{−power}."""

    offset, spare, span = 1.0, 1, 2**16

    def __init__(self, power: float, rate: float) -> None:
        self.scale, self.power, self.factor = rate, power, -power * rate

    def __call__(self, block: Tensor, spare: Sequence[Tensor], slope: bool) -> Tensor:
        value = torch.pow(block.clamp_min_(1.0), -self.power, out=spare[0])
        total = _total(value)
        if slope:
            block.reciprocal_().mul_(value)
        return total


class MixedProfile:
    """Σ_j w_j f_j(D) of other profiles."""

    scale, offset, factor, span = 1.0, 0.0, 1.0, 2**16

    def __init__(self, parts: Sequence[Profile], weights: Sequence[float]) -> None:
        self.parts, self.weights = tuple(parts), tuple(weights)
        self.spare = 2 + max(part.spare for part in parts)

    def __call__(self, block: Tensor, spare: Sequence[Tensor], slope: bool) -> Tensor:
        term, slopes, *rest = spare
        slopes.zero_()
        total = torch.zeros((), dtype=torch.float64, device=block.device)
        for part, weight in zip(self.parts, self.weights, strict=True):
            torch.mul(block, part.scale, out=term).add_(part.offset)
            total += weight * part(term, rest, slope)
            if slope:
                slopes.add_(term, alpha=weight * part.factor)
        if slope:
            block.copy_(slopes)
        return total


class InversePowerProfile:
    """weight · u^½ h(2u − 1), u = a/(a + rate · D): a :class:`RadialFit` of power ½ in s = rate · D."""

    offset, spare, span = 1.0, 2, 2**16

    def __init__(self, fit: RadialFit, rate: float, weight: float = 1.0) -> None:
        assert fit.power == 0.5
        self.scale, self.weight = rate / fit.a, weight
        self.factor = -self.scale * weight / 2
        (*value, self.constant), self.slope = (numbers.tolist() for numbers in fit.monomials())
        self.value = [*value, 0.0]
        self.fours = _in_fours(self.value, 0.0), _in_fours(self.slope, 0.0)

    def __call__(self, block: Tensor, spare: Sequence[Tensor], slope: bool) -> Tensor:
        x, h = spare
        root = block.clamp_min_(1.0).rsqrt_()  # √u, since 1/u = 1 + s/a
        torch.mul(root, root, out=x).mul_(2.0).sub_(1.0)  # 2u − 1
        # the constant, rounded, would be off alike for all pairs: it is taken outside, and the rest is small
        total = self.constant * _total(root) + _total(_horner(self.value, x, h).mul_(root))
        if slope:
            _horner(self.slope, x, h)
            block.mul_(h).mul_(x.add_(1.0))  # √u · g · 2u
        return total * self.weight

    def fused(self, block: Tensor) -> Tensor:
        from lather.divergences import fused

        parts = over(block, fused.inverse_powers, *self.fours)
        roots, total = (sum(part) for part in zip(*parts, strict=True))
        return torch.tensor((self.constant * roots + total) * self.weight, dtype=torch.float64)


def _in_fours(numbers: Sequence[float], filler: float) -> np.ndarray:
    """In float32, filled up from the front to a multiple of four."""
    return np.array([filler] * (-len(numbers) % 4) + list(numbers), np.float32)


def _horner(coefficients: Sequence[float], x: Tensor, out: Tensor) -> Tensor:
    """Polynomial with ``coefficients`` (highest power first) of x, in ``out``; one pass over the block for each."""
    if len(coefficients) == 1:
        return out.fill_(coefficients[0])
    lead, second, *rest = coefficients
    torch.mul(x, lead, out=out).add_(second)
    for c in rest:
        torch.addcmul(x.new_full((), c), out, x, out=out)  # written there, not copied: a copy makes the host wait
    return out
