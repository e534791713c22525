"""What latents must be like before anything is measured."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lather.errors import DataError, ShapeError
from lather.priors.base import Prior

__all__ = [
    "FEWEST",
    "affordable",
    "check_latents",
    "shuffled",
]

FEWEST = 20  #: samples; below, no test has power worth speaking of
_BLOCK = 65_536  # rows looked at together


def check_latents(z: Tensor, prior: Prior) -> Float[Tensor, "n d"]:
    """``z`` as a detached (n, d) floating tensor on the CPU, every value finite; (n, c, h, w) is flattened.

    Raises:
        ShapeError: no sample axis, or a d that is not the prior's.
        DataError: fewer than 20 samples, NaN or infinite values, all samples identical.

    Example:
        >>> from lather.priors.normal import StandardNormal
        >>> check_latents(torch.randn(50, 2, 4, 4), StandardNormal(32)).shape
        torch.Size([50, 32])
    """
    if z.ndim < 2:
        raise ShapeError(f"latents must have shape (n, d), got {tuple(z.shape)}; for one dimension use z[:, None]")
    z = z.detach().flatten(1).cpu()
    z = z if z.is_floating_point() else z.to(torch.float64)
    n, d = z.shape
    if d != prior.d:
        swap = "; they look transposed, samples go in rows" if n == prior.d else ""
        raise ShapeError(f"latents have d={d} dimensions but {prior!r} has d={prior.d}{swap}")
    if n < FEWEST:
        raise DataError(f"an audit needs at least {FEWEST} latents, got {n}; encode more held-out data")
    _check_finite(z)
    if all(bool((block == z[0]).all()) for block in z.split(_BLOCK)):
        raise DataError(
            f"all {n} latents are identical: the encoder ignores its input; check the data and lower the weight of "
            "the matching term"
        )
    return z


def _check_finite(z: Tensor) -> None:
    """In blocks: a million latents are not to be copied for it."""
    wrong, first = 0, None
    for start, block in enumerate(z.split(_BLOCK)):
        finite = torch.isfinite(block)
        if bool(finite.all()):
            continue
        row, column = (~finite).nonzero()[0].tolist()
        first = first or (start * _BLOCK + row, column)
        wrong += int((~finite).sum())
    if first is not None:
        row, column = first
        raise DataError(
            f"latents hold {wrong} values that are NaN or infinite, the first at sample {row}, dimension {column}; the "
            "encoder has diverged (lower the learning rate, clip gradients) or its input was not finite"
        )


def shuffled(n: int, generator: torch.Generator) -> Tensor:
    """A random order of n samples: test sets come sorted by class more often than not."""
    return torch.randperm(n, generator=generator)


def affordable(d: int) -> int:
    """How many prior draws of d dimensions stand in for the prior: 20 000, fewer above 3000 dimensions (0.5 GB)."""
    return max(500, min(20_000, 2**26 // d))
