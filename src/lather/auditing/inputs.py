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


def check_latents(z: Tensor, prior: Prior) -> Float[Tensor, "n d"]:
    """``z`` as a detached (n, d) float64 tensor on the CPU, every value finite; (n, c, h, w) is flattened.

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
    z = z.detach().flatten(1).cpu().to(torch.float64)
    n, d = z.shape
    if d != prior.d:
        swap = "; they look transposed, samples go in rows" if n == prior.d else ""
        raise ShapeError(f"latents have d={d} dimensions but {prior!r} has d={prior.d}{swap}")
    if n < FEWEST:
        raise DataError(f"an audit needs at least {FEWEST} latents, got {n}; encode more held-out data")
    finite = torch.isfinite(z)
    if not finite.all():
        row, column = (~finite).nonzero()[0].tolist()
        raise DataError(
            f"latents hold {int((~finite).sum())} values that are NaN or infinite, the first at sample {row}, "
            f"dimension {column}; the encoder has diverged (lower the learning rate, clip gradients) or its input "
            "was not finite"
        )
    if (z == z[0]).all():
        raise DataError(
            f"all {n} latents are identical: the encoder ignores its input; check the data and lower the weight of "
            "the matching term"
        )
    return z


def shuffled(n: int, generator: torch.Generator) -> Tensor:
    """A random order of n samples: test sets come sorted by class more often than not."""
    return torch.randperm(n, generator=generator)


def affordable(d: int) -> int:
    """How many prior draws of d dimensions stand in for the prior: 20 000, fewer above 3000 dimensions (0.5 GB)."""
    return max(500, min(20_000, 2**26 // d))
