"""Sums of a function of squared distance over all pairs, with the gradient, in one pass and without n × n memory.

Rows are taken in blocks. A block of squared distances is one matrix product; a :mod:`profile
<lather.divergences.profiles>` turns it into Σ f(D) and, in place, into the block W of f′(D), one strip at a time
that fits the cache; the gradient ∂/∂x_i = 2 (x_i Σ_j W_ij − Σ_j W_ij x_j) is one matrix product more. Only pairs
i < j are visited; memory is O(n·d + block²). Against cancellation the data are centred first, on their mean, or on
their median where outliers pull the mean too far away, and D is clamped at 0. Where many pairs lie too close for their
distance from the centre (far clusters), or an outlier lies beyond some 10⁴ times a usual distance, all is done in
float64. Block sums are accumulated in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

from lather.compiled import compiles
from lather.divergences.first_order import first_order
from lather.divergences.memory import halving
from lather.divergences.precision import full_precision
from lather.divergences.profiles import FusedProfile, Profile

__all__ = ["cancels", "centre", "pair_sum", "sweep"]

_MANY = 2**20  # pairs from which on compiled loops are used
_FEW = 2**14  # pairs up to which all is done in float64, n = 128
_UNASKED = 2**27  # multiply–adds up to which an accelerator does so, n = 1024 at d = 128
_SMALLEST = 64  # rows and columns of a block at least


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
) -> tuple[Float[Tensor, "*total"], Float[Tensor, "n d"] | None]:
    """Σ f(D) in float64 and, if ``wanted``, its gradient in x. Runs outside autograd.

    Args:
        x: (n, d).
        y: the other side, (m, d): all n × m pairs; ``None``: the pairs i < j within x.
        profile: f and f′ on a block of squared distances.
        wanted: whether to work the gradient out.

    Where memory does not suffice for a block, smaller ones are taken from then on, with a warning; a
    ``RuntimeError`` of the allocator is raised where even the smallest, of 64 rows, do not fit.
    """
    rows, columns = _tile(x.device)
    most = max(min(rows, columns) // _SMALLEST, 1).bit_length() - 1
    with full_precision():
        return halving(
            "blocks of pairs", most, x.device, lambda k: _swept(x, y, profile, wanted, rows >> k, columns >> k)
        )


def _swept(
    x: Tensor, y: Tensor | None, profile: Profile, wanted: bool, rows: int, columns: int
) -> tuple[Tensor, Tensor | None]:
    """:func:`sweep` in blocks of at most ``rows`` × ``columns`` pairs."""
    # prepared in float64: a factor rounded once to float32 would shift all pairs alike, and not average out
    same, dtype, x = y is None, x.dtype, x.double()
    y = x if y is None else y.double()
    result = dtype
    middle, dtype = centre(x, y, dtype)
    x = x - middle
    y = x if same else y - middle
    (n, d), m = x.shape, len(y)
    x2 = x.square().sum(1, keepdim=True)
    y2 = x2 if same else y.square().sum(1, keepdim=True)
    # offset + scale · D as one matrix product; its right side also gives Σ_j W_ij y_j and Σ_j W_ij at once
    left = torch.cat([x * (-2 * profile.scale), x2 * profile.scale + profile.offset, x.new_ones(n, 1)], 1).to(dtype)
    right = torch.cat([y, y.new_ones(m, 1), y2 * profile.scale], 1).to(dtype)
    x = x.to(dtype)
    total = torch.zeros((), dtype=torch.float64, device=x.device)
    moved = x.new_zeros(n, d + 1)
    block_size = min(rows, n) * min(columns if n > rows or not same else rows, m)
    work = x.new_empty(block_size)
    span = profile.span if x.device.type == "cpu" else block_size
    fused = profile.fused if compiles(x, n * m, _MANY) and isinstance(profile, FusedProfile) else None
    scratch = [x.new_empty(0 if fused else min(span + columns, block_size)) for _ in range(profile.spare)]
    for i, j, diagonal in _blocks(n, None if same else m, rows, columns):
        shape = (i.stop - i.start, j.stop - j.start)
        block = work[: shape[0] * shape[1]].view(shape)
        torch.mm(left[i], right[j].T, out=block)
        pairs = _off_diagonal(block) if diagonal else block
        if fused is not None:
            value = fused(pairs)
            total = total + (value / 2 if diagonal else value)
        for strip in () if fused is not None else pairs.split(max(1, span // shape[1])):
            value = profile(strip, [part[: strip.numel()].view(strip.shape) for part in scratch], wanted)
            total = total + (value / 2 if diagonal else value)
        if wanted:
            if diagonal:
                block.fill_diagonal_(0.0)
            moved[i].addmm_(block, right[j, : d + 1])
            if same and not diagonal:
                moved[j].addmm_(block.T, right[i, : d + 1])
    if not wanted:
        return total, None
    return total, torch.addcmul(moved[:, :d], x, moved[:, d:], value=-1.0).mul_(-2 * profile.factor).to(result)


def centre(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], dtype: torch.dtype
) -> tuple[Float[Tensor, "d"], torch.dtype]:
    """What to subtract from ``x`` and ``y``, and the precision their squared distances then need, ``dtype`` or float64.

    The mean, unless that loses digits: then the median of each coordinate, which a few outliers do not move.

    Few pairs are taken in float64 without asking, which takes less time than the question: on an accelerator the host
    has to wait for its answer. With many, nothing is lost by waiting.
    """
    both = x if y is x else torch.cat([x, y])
    middle = both.mean(0)
    few = len(x) * len(y) <= _FEW if x.device.type == "cpu" else len(x) * len(y) * x.shape[1] <= _UNASKED
    if few:
        return middle, torch.float64
    if dtype == torch.float64 or not cancels(x - middle, y - middle, torch.finfo(dtype).eps):
        return middle, dtype
    middle = both.median(0).values
    return middle, torch.float64 if cancels(x - middle, y - middle, torch.finfo(dtype).eps) else dtype


def cancels(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], eps: float) -> bool:
    """Whether ‖x‖² + ‖y‖² − 2⟨x, y⟩ would lose over 10⁻³ of D for one pair in 50, judged from n or 256 of them.

    Also where the rounding of the farthest sample's distance alone would show: 10⁻³ of a usual one.
    """
    low, high = x.aminmax()
    farthest = torch.maximum(-low, high).square()
    if len(x) > 256:  # at random: every second sample may be of one kind
        x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(1))[:256].to(x.device)]
    partner = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    y = y[partner[torch.arange(len(x)) % len(y)].to(y.device)]
    size, distance = x.square().sum(1) + y.square().sum(1), (x - y).square().sum(1)
    lossy = (size * eps > 1e-3 * distance).double().mean() > 0.02
    return bool(lossy | (farthest * eps**2 > 1e-6 * distance.median()))


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


def _blocks(n: int, m: int | None, rows: int, columns: int) -> Iterator[tuple[slice, slice, bool]]:
    """Row and column ranges that cover all pairs i < j once (m None), or all n × m; the flag marks the diagonal."""
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
