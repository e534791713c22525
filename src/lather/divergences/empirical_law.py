"""A distribution function known from draws."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["EmpiricalLaw", "Law"]


@runtime_checkable
class Law(Protocol):
    """Anything with a differentiable distribution function; torch distributions have it."""

    def cdf(self, value: Tensor) -> Tensor:
        """P(Q ≤ value)."""
        ...


class EmpiricalLaw:
    """Distribution function through (y_(j), (j − ½)/m), linear in between, 0 and 1 beyond; differentiable.

    Args:
        draws: values of one real random variable, (m,).

    Example:
        >>> EmpiricalLaw(torch.tensor([0.0, 1.0])).cdf(torch.tensor([-1.0, 0.5, 2.0]))
        tensor([0.0000, 0.5000, 1.0000], dtype=torch.float64)
    """

    def __init__(self, draws: Float[Tensor, "m"]) -> None:
        self.knots = draws.detach().double().sort().values

    def cdf(self, value: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
        value, m = value.double(), len(self.knots)
        right = torch.searchsorted(self.knots, value.detach()).clamp(1, m - 1)
        low, high = self.knots[right - 1], self.knots[right]
        width = (high - low).clamp_min(torch.finfo(torch.float64).tiny)
        inside = (right - 0.5 + (value - low) / width) / m
        outside = torch.where(value < self.knots[0], 0.0, 1.0)
        return torch.where((value < self.knots[0]) | (value > self.knots[-1]), outside, inside)
