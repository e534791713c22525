"""What is odd about latents and yet allowed, in sentences for a report."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["remarks", "repeated_rows"]

_ROWS = 8192  # rows looked at together


def remarks(z: Tensor) -> tuple[str, ...]:
    """Sentences on latents (n, d): constant dimensions, repeated rows, fewer data than dimensions.

    Example:
        >>> z = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> z[:, 1] = 0.5
        >>> remarks(z)
        ('1 of 3 dimensions is the same for every datum (number 1): it carries nothing, and no prior is like that.',)
    """
    n, d = z.shape
    notes = []
    constant = _constant(z)
    if constant:
        many = len(constant) > 1
        shown = ", ".join(map(str, constant[:8])) + (", …" if len(constant) > 8 else "")
        notes.append(
            f"{len(constant)} of {d} dimensions {'are' if many else 'is'} the same for every datum (number{'s' * many} "
            f"{shown}): {'they carry' if many else 'it carries'} nothing, and no prior is like that."
        )
    copies = repeated_rows(z)
    if copies:
        notes.append(
            f"{copies} of {n} latents {'are exact copies' if copies > 1 else 'is an exact copy'} of another one: "
            "either data occur twice, or the encoder maps different data to one point. Tests count each copy as "
            "evidence of its own; leave copies out if the data are repeated."
        )
    if d > n:
        notes.append(
            f"There are more dimensions ({d}) than latents ({n}), so that most directions were never seen: tests are "
            f"weak, and a covariance cannot be estimated. Encode more data; or, if these are {d} latents of {n} "
            "dimensions, transpose them."
        )
    return tuple(notes)


def _constant(z: Tensor) -> list[int]:
    """Numbers of the dimensions in which all latents agree."""
    same = torch.ones(z.shape[1], dtype=torch.bool)
    for part in z.split(_ROWS):
        same &= (part == z[0]).all(0)
        if not bool(same.any()):
            return []
    return same.nonzero()[:, 0].tolist()


def repeated_rows(z: Tensor) -> int:
    """How many rows of z (n, d) equal an earlier one, value by value.

    Rows are told apart by a 64-bit sum of their bits times fixed random odd numbers: one pass, 8 bytes a row; among
    10⁶ different rows, two share a sum with a probability below 10⁻³.

    Example:
        >>> repeated_rows(torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [0.0, 0.0], [-0.0, 0.0]]))
        2
    """
    odd = np.random.default_rng(0).integers(2**63, size=z.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    sums = np.empty(len(z), dtype=np.uint64)
    for start in range(0, len(z), _ROWS):
        part = (z[start : start + _ROWS] + 0.0).numpy()  # −0 becomes 0
        bits = np.ascontiguousarray(part).view(f"u{part.itemsize}").astype(np.uint64)
        bits ^= bits >> np.uint64(32)  # a float64 that was a float32 varies in its high bits only
        sums[start : start + len(part)] = (bits * odd).sum(1, dtype=np.uint64)
    return len(z) - len(np.unique(sums))
