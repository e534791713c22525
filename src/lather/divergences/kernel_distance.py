"""The squared distance that a radial kernel puts between a batch and a prior: what MMD, Energy and CramerWold share."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

from lather.divergences.first_order import first_order
from lather.divergences.pairwise import sweep
from lather.divergences.profiles import Profile
from lather.priors.base import Prior

__all__ = ["RadialKernel", "kernel_distance"]


@runtime_checkable
class RadialKernel(Protocol):
    """A kernel k(x, y) = f(‖x − y‖²), and its averages under N(0, I_d)."""

    @property
    def at_zero(self) -> float:
        """f(0)."""
        ...

    def profile(self, d: int) -> Profile:
        """f and f′ for the pairwise engine."""
        ...

    def prior_mean(self, r2: Tensor, d: int) -> tuple[Tensor, Tensor]:
        """E k(x, Y) for ‖x‖² = r2 and its derivative in r2, float64 (n,)."""
        ...

    def prior_self(self, d: int) -> float:
        """E k(Y, Y′)."""
        ...


def kernel_distance(
    z: Float[Tensor, "n d"],
    kernel: RadialKernel,
    prior: Prior,
    generator: torch.Generator | None,
    unbiased: bool,
) -> Float[Tensor, ""]:
    """E k(x, x′) − 2 E k(x, Y) + E k(Y, Y′) for x from the batch and Y from the prior, differentiable once in z.

    Against N(0, I) the two averages over Y are exact; otherwise n draws from the prior stand for it.

    Args:
        z: latents (n, d).
        kernel: the kernel and its averages.
        prior: the law of Y.
        generator: source of the draws, where they are needed.
        unbiased: mean over the n(n−1) pairs i ≠ j (U-statistic), otherwise over all n² (V-statistic, never negative).
    """
    y = None if prior.standard else prior.sample(len(z), generator=generator).detach().to(z)
    value: Tensor = _KernelDistance.apply(z, y, kernel, unbiased)
    return value


class _KernelDistance(Function):
    """Value and gradient together, so that backward is one product; sums are put together in float64."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, y: Tensor | None, kernel: RadialKernel, unbiased: bool) -> Tensor:
        (n, d), wanted = z.shape, ctx.needs_input_grad[0]
        profile = kernel.profile(d)
        weight = 2 / (n * (n - 1)) if unbiased else 2 / n**2
        diagonal = 0.0 if unbiased else kernel.at_zero / n
        total, gradient = sweep(z, None, profile, wanted)
        value = total * weight + diagonal
        if gradient is not None:
            gradient.mul_(weight)
        if y is None:
            mean, slope = kernel.prior_mean(z.double().square().sum(1), d)
            value += kernel.prior_self(d) - 2 * mean.mean()
            if gradient is not None:
                gradient.addcmul_(z, slope.to(z.dtype)[:, None], value=-4 / n)
        else:
            total, cross = sweep(z, y, profile, wanted)
            value += sweep(y, None, profile, False)[0] * weight + diagonal - total * (2 / n**2)
            if gradient is not None and cross is not None:
                gradient.add_(cross, alpha=-2 / n**2)
        if gradient is not None:
            ctx.save_for_backward(z, gradient)
        return value.to(z.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        z, gradient = ctx.saved_tensors
        return first_order(gradient * grad, z), None, None, None
