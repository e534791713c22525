"""A distribution function of a squared length, evaluated by the million."""

from __future__ import annotations

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

from lather.divergences.empirical_law import Law
from lather.divergences.first_order import first_order

__all__ = ["TabulatedLaw", "moving_range"]

_KNOTS = 2048


class TabulatedLaw:
    """A law's distribution function as a cubic Hermite interpolant in the length r = √q, where it is smooth at 0, too.

    The incomplete gamma function takes half a microsecond a value; this takes a few nanoseconds, and agrees with it
    to 1e-9. Differentiable once.

    Args:
        law: of a non-negative random variable q, with a differentiable ``cdf``.
        device: where ``law`` is, and will be evaluated.
    """

    def __init__(self, law: Law, device: torch.device) -> None:
        self.middle = moving_range(law, device, 1e-8)  #: (low, high) that all but 10⁻⁸ on either side lie between
        low, high = (q**0.5 for q in moving_range(law, device, 1e-12))
        self.low, self.step = low, (high - low) / _KNOTS
        with torch.enable_grad():
            r = low + self.step * torch.arange(_KNOTS + 1, dtype=torch.float64, device=device)
            r = r.clamp_min(1e-12).requires_grad_()
            value = law.cdf(r.square())
            (slope,) = torch.autograd.grad(value.sum(), r)
        self.value, self.slope = value.detach(), slope * self.step

    def to(self, device: torch.device) -> TabulatedLaw:
        """The same table there."""
        moved = copy.copy(self)
        moved.value, moved.slope = self.value.to(device), self.slope.to(device)
        return moved

    def cdf(self, value: Float[Tensor, "m"]) -> Float[Tensor, "m"]:
        return _Hermite.apply(value, self)


class _Hermite(Function):
    @staticmethod
    def forward(ctx: Any, squared: Tensor, table: TabulatedLaw) -> Tensor:
        r = squared.double().sqrt()
        x = ((r - table.low) / table.step).clamp(0, _KNOTS)
        left = x.nan_to_num(0.0).long().clamp_max(_KNOTS - 1)  # a NaN stays one in t
        t = x - left
        f0, f1 = table.value[left], table.value[left + 1]
        g0, g1 = table.slope[left], table.slope[left + 1]
        rise = f1 - f0
        a, b = g0 + g1 - 2 * rise, 3 * rise - 2 * g0 - g1  # f0 + g0 t + b t² + a t³
        if ctx.needs_input_grad[0]:
            slope = (g0 + t * (2 * b + 3 * t * a)) / (table.step * 2 * r)
            ctx.save_for_backward(squared, torch.where(r > 0, slope, 0.0).to(squared.dtype))
        return f0 + t * (g0 + t * (b + t * a))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        squared, slope = ctx.saved_tensors
        return first_order(grad.to(slope.dtype) * slope, squared), None


def moving_range(law: Law, device: torch.device, tail: float) -> tuple[float, float]:
    """Where the distribution function goes from ``tail`` to 1 − ``tail``, by doubling and bisection."""

    def below(q: float, level: float) -> bool:
        return float(law.cdf(torch.full((1,), q, dtype=torch.float64, device=device))) < level

    def crossing(level: float) -> float:
        low, high = 0.0, 1.0
        while below(high, level):
            low, high = high, 2 * high
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if below(middle, level) else (low, middle)
        return high

    return crossing(tail), crossing(1 - tail)
