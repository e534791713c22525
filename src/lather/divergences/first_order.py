"""Gradients that cannot be differentiated again, and say so."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from lather.errors import CapabilityError

__all__ = ["first_order", "with_gradient"]


def first_order(gradient: Tensor, x: Tensor) -> Tensor:
    """``gradient`` in x, returned from the ``backward`` of a Function whose gradient is worked out by hand.

    Unless it was asked for with ``create_graph``, this does nothing. If so, the result is tied to ``x``, so that
    differentiating it raises :class:`~lather.errors.CapabilityError` instead of silently giving 0
    (:func:`torch.autograd.function.once_differentiable` lets that happen).
    """
    if torch.is_grad_enabled() and x.requires_grad:
        return _Final.apply(gradient, x)
    return gradient


def with_gradient(x: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
    """``value`` as a function of ``x`` whose gradient, worked out already, is ``gradient``; differentiable once."""
    result: Tensor = _Known.apply(x, value, gradient)
    return result


class _Known(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(x, gradient)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        x, gradient = ctx.saved_tensors
        return first_order(gradient * grad.to(gradient.dtype), x), None, None


class _Final(Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, x: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None]:
        raise CapabilityError(
            "second derivatives of a divergence were asked for, but its gradient is computed along with its value and "
            "cannot be differentiated again; use Sliced(Wasserstein1d()), which has second derivatives, or leave the "
            "divergence out of the penalised term"
        )
