"""Sums of a function of squared distance over all pairs, with the gradient, in one pass and without n × n memory.

Rows are taken in blocks. A block of squared distances is one matrix product; a :mod:`profile
<lather.divergences.profiles>` turns it into Σ f(D) and, in place, into the block W of f′(D); the gradient
∂/∂x_i = 2 (x_i Σ_j W_ij − Σ_j W_ij x_j) is one matrix product more. Only pairs i < j are visited; memory is
O(n·d + block²). The data are centred first and D is clamped at 0, against cancellation; block sums are
accumulated in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

from lather.divergences.first_order import first_order
from lather.divergences.profiles import Profile

__all__ = ["pair_sum", "sweep"]


def pair_sum(x: Float[Tensor, "n d"], profile: Profile) -> Float[Tensor, ""]:
    """Σ_{i<j} f(‖x_i − x_j‖²) as a float64 scalar, differentiable once in ``x``.

    Args:
        x: (n, d) float32 or float64.
        profile: f and f′ on a block of squared distances.
    """
    value: Tensor = _PairSum.apply(x, profile)
    return value


def sweep(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"] | None, profile: Profile, wanted: bool
) -> tuple[Float[Tensor, ""], Float[Tensor, "n d"] | None]:
    """Σ f(D) in float64 and, if ``wanted``, its gradient in x.

    Args:
        x: (n, d).
        y: the other side, (m, d): all n × m pairs; ``None``: the pairs i < j within x.
        profile: f and f′ on a block of squared distances.
        wanted: whether to work the gradient out.
    """
    centre = (x if y is None else torch.cat([x, y])).mean(0)
    x = x - centre
    y = x if y is None else y - centre
    same = y is x
    x2 = x.square().sum(1)
    y2 = x2 if same else y.square().sum(1)
    (n, d), m, rows_columns = x.shape, len(y), _tile(x.device)
    size = min(rows_columns[0], n) * min(max(rows_columns), max(n, m))
    work = [torch.empty(size, dtype=x.dtype, device=x.device) for _ in range(1 + profile.spare)]
    total = torch.zeros((), dtype=torch.float64, device=x.device)
    if wanted:  # a column of ones makes the row sums of W part of the same matrix product
        one = torch.ones(len(y), 1, dtype=x.dtype, device=x.device)
        augmented = torch.cat([y, one], 1)
        moved = torch.zeros(n, d + 1, dtype=x.dtype, device=x.device)
    for i, j, diagonal in _blocks(n, None if same else m, x.device):
        shape = (i.stop - i.start, j.stop - j.start)
        blocks = [part[: shape[0] * shape[1]].view(shape) for part in work]
        torch.addmm(y2[j], x[i], y[j].T, alpha=-2.0, out=blocks[0]).add_(x2[i, None]).clamp_min_(0.0)
        views = [_off_diagonal(block) for block in blocks] if diagonal else blocks
        value, slope = profile(views[0], views[1:], wanted)
        total += value / 2 if diagonal else value
        if wanted:
            weights = next(block for block, view in zip(blocks, views, strict=True) if view is slope)
            if diagonal:
                weights.fill_diagonal_(0.0)
            moved[i].addmm_(weights, augmented[j])
            if same and not diagonal:
                moved[j].addmm_(weights.T, augmented[i])
    if not wanted:
        return total, None
    return total, (x * moved[:, d:] - moved[:, :d]).mul_(2.0)


class _PairSum(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, profile: Profile) -> Tensor:
        total, gradient = sweep(x, None, profile, ctx.needs_input_grad[0])
        if gradient is not None:
            ctx.save_for_backward(x, gradient)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        x, gradient = ctx.saved_tensors
        return first_order(gradient * grad.to(gradient.dtype), x), None


def _tile(device: torch.device) -> tuple[int, int]:
    """Rows and columns of a block: small enough for the cache on a CPU, large enough to fill a GPU."""
    return (256, 1024) if device.type == "cpu" else (4096, 4096)


def _blocks(n: int, m: int | None, device: torch.device) -> Iterator[tuple[slice, slice, bool]]:
    """Row and column ranges that cover all pairs i < j once (m None), or all n × m; the flag marks the diagonal."""
    rows, columns = _tile(device)
    for top in range(0, n, rows):
        bottom = min(top + rows, n)
        if m is None:
            yield slice(top, bottom), slice(top, bottom), True
        start, end = (bottom, n) if m is None else (0, m)
        for left in range(start, end, columns):
            yield slice(top, bottom), slice(left, min(left + columns, end)), False


def _off_diagonal(block: Tensor) -> Tensor:
    """View of a contiguous square block without its diagonal, shape (b − 1, b)."""
    b = len(block)
    return block.as_strided((b - 1, b), (b + 1, 1), block.storage_offset() + 1)
