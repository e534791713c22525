"""Dividing samples at random, but the same way each time."""

from __future__ import annotations

import torch
from torch import Tensor

from lather.errors import ConfigError, DataError

__all__ = ["count", "divide"]

_SHARE = 0.1  # of the samples, for validation and for test
_CAP = 10_000  # more held-out samples would tell nothing new and be lost to training


def count(asked: float | int | None, n: int, what: str) -> int:
    """How many of ``n`` samples ``asked`` means: a whole number, a share below 1, or by default 10%, at most 10 000.

    Example:
        >>> count(None, 60_000, "validation"), count(0.25, 1000, "test"), count(500, 1000, "test")
        (6000, 250, 500)
    """
    if asked is None:
        return min(_CAP, max(1, round(_SHARE * n)))
    whole = isinstance(asked, int) or asked >= 1
    if isinstance(asked, bool) or not asked > 0 or (whole and asked != int(asked)):
        raise ConfigError(
            f"{what}={asked} is neither a share between 0 and 1 nor a whole number of samples; for example "
            f"{what}=0.1 or {what}=1000"
        )
    return int(asked) if whole else max(1, round(asked * n))


def divide(n: int, held_out: dict[str, int], seed: int, origin: str) -> dict[str, Tensor]:
    """Disjoint random index tensors: one of the given size for each name, and the rest as ``train``.

    A function of ``n``, the sizes and ``seed`` only; the global random state is neither read nor changed.

    Raises:
        DataError: fewer than two samples would be left for training.
    """
    left = n - sum(held_out.values())
    if left < 2:
        parts = " and ".join(f"{size} for {name}" for name, size in held_out.items())
        raise DataError(
            f"{origin} has {n} sample{'s' * (n != 1)}; after {parts}, {max(left, 0)} would be left for training, which "
            "needs at least 2: give more samples, or hold out fewer (validation=, test=)"
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    pieces = torch.split(order, [*held_out.values(), left])
    return dict(zip([*held_out, "train"], pieces, strict=True))
