"""What to do where memory does not suffice: the same in smaller parts, and say so."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch

__all__ = ["halving"]

T = TypeVar("T")
_halved: dict[tuple[str, torch.device], int] = {}  # how often, by what it is that was halved, and where


def halving(what: str, most: int, device: torch.device, work: Callable[[int], T]) -> T:
    """``work(times)``, its parts halved so many times: 0, or more where memory did not suffice before.

    Args:
        what: the parts, for the warning and to remember how small they have to be: ``"blocks of pairs"``.
        most: how often they can be halved.

    Raises:
        RuntimeError: the allocator's, where even the smallest parts do not fit.
    """
    while True:
        times = min(_halved.get((what, device), 0), most)
        try:
            return work(times)
        except RuntimeError as error:
            if not _out_of_memory(error) or times >= most:
                raise
        _halved[what, device] = times + 1
        warnings.warn(
            f"memory did not suffice for {what} on {device}; going on with parts half as large (each way) as "
            f"before (1/{2 ** (times + 1)}), which give the same numbers and are slower",
            RuntimeWarning,
            stacklevel=3,
        )


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
