"""The kernel Stein discrepancy."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

from lather.compiled import compiles, shared_out
from lather.divergences.base import Divergence
from lather.divergences.first_order import first_order
from lather.divergences.memory import halving
from lather.divergences.pairwise import centre
from lather.divergences.precision import full_precision
from lather.errors import CapabilityError, ConfigError
from lather.priors.base import Prior

__all__ = ["SteinDiscrepancy"]

_BLOCK, _SMALLEST = 512, 64  # sides of a block
_MANY = 2**20  # pairs from which on compiled loops are used


class SteinDiscrepancy(Divergence):
    r"""Squared kernel Stein discrepancy from N(0, I) with the inverse multiquadric f(D) = (c² + D)^{−½}.

    The Stein operator of N(0, I), whose score is −x, turns f into a kernel that averages to 0 over the prior in either
    argument, so that the mean over pairs of samples is the whole statistic:

    .. math:: u(x, y) = ⟨x, y⟩ f + 2D f′ − 4D f″ − 2d f′, \qquad D = ‖x − y‖²

    Unbiased by default: expectation 0 under the prior, may be slightly negative; not multiplied by n. The inverse
    multiquadric makes it see every difference in the end; in practice it sees mean and spread first, and hardly the
    *weights* of well separated modes. Its pull on an outlier does not vanish. Cost O(n² d), memory O(n d).

    Sees: mean and spread first. Misses: the weights of well separated modes. Null: mean 0. Cost: O(n² d), no prior
    draws.

    Args:
        scale: c in units of √d, positive; 1 puts c² at half the mean squared distance of prior draws.
        unbiased: mean over pairs i ≠ j; ``False`` takes all n² pairs, never negative.

    Raises:
        ConfigError: the scale is not positive.

    References:
        Gorham, Mackey (2017), Measuring Sample Quality with Kernels, arXiv:1703.01717.
        Liu, Lee, Jordan (2016), A Kernelized Stein Discrepancy for Goodness-of-fit Tests, arXiv:1602.03253.

    Example:
        >>> from lather.priors import StandardNormal
        >>> z = torch.zeros(4, 2)  # u(0, 0) = d / c³, here with c² = d = 2
        >>> round(float(SteinDiscrepancy()(z, StandardNormal(2))), 4) == round(2 * 2**-1.5, 4)
        True
    """

    summary: ClassVar[str] = "kernel Stein discrepancy, inverse multiquadric: needs the prior's score alone"

    def __init__(self, scale: float | int = 1.0, unbiased: bool = True) -> None:
        super().__init__()
        if not (math.isfinite(scale) and scale > 0):
            raise ConfigError(f"SteinDiscrepancy needs a finite scale above 0, got {scale!r}; 1 is usual")
        self.scale = float(scale)
        self.unbiased = unbiased

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        n, d = z.shape
        c2 = self.scale**2 * d
        total: Tensor = _PairSum.apply(z, c2)
        if self.unbiased:
            return (total / (n * (n - 1))).to(z.dtype)
        diagonal = z.double().square().sum() * c2**-0.5 + n * d * c2**-1.5
        return ((total + diagonal) / n**2).to(z.dtype)

    def check(self, prior: Prior) -> None:
        if not prior.standard:
            raise CapabilityError(
                f"SteinDiscrepancy is built on the score of N(0, I) and cannot be compared with {prior!r}; use "
                "StandardNormal, or MMD, Energy or Sliced(...), which take any prior"
            )

    def needs(self, prior: Prior) -> str:
        return "closed form"

    def null_moments(self, prior: Prior, n: int) -> tuple[float | None, float | None]:
        c2 = self.scale**2 * prior.d
        return (0.0 if self.unbiased else prior.d * (c2**-0.5 + c2**-1.5) / n), None


class _PairSum(Function):
    """Σ_{i≠j} u(z_i, z_j) in float64, its gradient made in the same pass over blocks, each pair visited once.

    With w = 1/(c² + D), s = ⟨x, y⟩ and b = d + c² − 3:
    u = √w (s − 1 + b w + 3 c² w²), −2 ∂u/∂D = w √w (s − 1 + 3 b w + 15 c² w²) =: p, and
    ∂/∂z_i = 2 Σ_{j≠i} ((√w + p) z_j − p z_i).
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, c2: float) -> Tensor:
        most = max(_BLOCK // _SMALLEST, 1).bit_length() - 1
        wanted = ctx.needs_input_grad[0]
        with full_precision():
            total, gradient = halving("blocks of pairs", most, z.device, lambda k: _swept(z, c2, wanted, _BLOCK >> k))
        if gradient is not None:
            ctx.save_for_backward(z, gradient)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        z, gradient = ctx.saved_tensors
        return first_order(grad.to(gradient.dtype) * gradient, z), None


def _swept(z: Tensor, c2: float, wanted: bool, side: int) -> tuple[Tensor, Tensor | None]:
    """Value, and gradient if ``wanted``, in blocks of ``side`` × ``side``."""
    n, d = z.shape
    middle, dtype = centre(z.double(), z.double(), z.dtype)
    x = (z.double() - middle).to(dtype)
    square = x.square().sum(1)
    more = (x.double() @ middle + (middle.square().sum() - 1) / 2).to(dtype)  # s − 1 is ⟨x, y⟩ and two of these
    whole = z.to(dtype)
    total = torch.zeros((), dtype=torch.float64, device=z.device)
    pull, push = torch.zeros_like(x), torch.zeros_like(square)
    machine_code = compiles(x, n * n, _MANY)
    work = x.new_empty(1 if machine_code else 4, min(side, n) ** 2)
    b = d + c2 - 3
    for i in range(0, n, side):
        rows = slice(i, i + side)
        for j in range(i, n, side):
            columns, shape = slice(j, j + side), (len(x[rows]), len(x[j : j + side]))
            if machine_code:
                u = torch.mm(x[rows], x[columns].T, out=work[0, : shape[0] * shape[1]].view(shape))
                sides = square[rows], square[columns] + c2, more[rows], more[columns]
                value, row_push, column_push = _fused(u, sides, c2, b, i == j)
                total += value * (1 if i == j else 2)
                if not wanted:
                    continue
                push[rows] += row_push
                pull[rows].addmm_(u, whole[columns])
                if i != j:
                    push[columns] += column_push
                    pull[columns].addmm_(u.T, whole[rows])
                continue
            w, s, u, f = (part[: shape[0] * shape[1]].view(shape) for part in work)
            torch.mm(x[rows], x[columns].T, out=s)
            torch.add(square[columns] + c2, s, alpha=-2, out=w).add_(square[rows, None]).clamp_min_(c2)
            s.add_(more[columns]).add_(more[rows, None])
            torch.sqrt(w.reciprocal_(), out=f)
            torch.mul(w, 3 * c2, out=u).add_(b).mul_(w).add_(s).mul_(f)
            if i == j:
                u.fill_diagonal_(0.0)
            total += u.sum(1).double().sum() * (1 if i == j else 2)
            if not wanted:
                continue
            torch.mul(w, 15 * c2, out=u).add_(3 * b).mul_(w).add_(s).mul_(w).mul_(f)  # p
            if i == j:
                u.fill_diagonal_(0.0)
                f.fill_diagonal_(0.0)
            push[rows] += u.sum(1)
            if i != j:
                push[columns] += u.sum(0)
            u.add_(f)
            pull[rows].addmm_(u, whole[columns])
            if i != j:
                pull[columns].addmm_(u.T, whole[rows])
    return total, (2 * (pull - push.unsqueeze(1) * whole)).to(z.dtype) if wanted else None


def _fused(
    block: Tensor, sides: tuple[Tensor, Tensor, Tensor, Tensor], c2: float, b: float, diagonal: bool
) -> tuple[float, Tensor, Tensor]:
    """Σ u, and p summed over rows and over columns; p + √w takes the place of ⟨x, y⟩ in ``block``."""
    from lather.divergences import fused

    columns = block.shape[1]
    numbers, vectors = block.view(-1).numpy(), [side.numpy() for side in sides]
    row_push = np.zeros(len(block), np.float32)

    def part(start: int, stop: int) -> tuple[float, np.ndarray]:
        column_push = np.zeros(columns, np.float32)
        constants = np.float32(c2), np.float32(b), diagonal
        return fused.stein(numbers, columns, start, stop, *vectors, *constants, row_push, column_push), column_push

    totals, column_pushes = zip(*shared_out(len(block), part), strict=True)
    return sum(totals), torch.from_numpy(row_push), torch.from_numpy(sum(column_pushes))
