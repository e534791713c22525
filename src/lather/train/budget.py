"""A bound on what a configuration may make us allocate: no more numbers than the weights beside it hold."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from lather.errors import RunError

__all__ = ["within"]

_SIZED = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.eye, torch.arange)
_FREE = 2**20  #: numbers; critics, tables and the like that no file of weights holds


class _Budget(TorchFunctionMode):
    """Counts the numbers that are asked for, before there are any."""

    def __init__(self, path: Path, most: int) -> None:
        super().__init__()
        self.path, self.most, self.asked = path, most, 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _SIZED:
            first = args[0] if args else kwargs.get("size", ())
            sizes = first if isinstance(first, (tuple, list)) else args
            self.asked += math.prod(size for size in sizes if isinstance(size, int) and size > 0)
            if self.asked > self.most:
                raise RunError(
                    f"{self.path} describes a model of more than {self.most} numbers, which cannot be those of the "
                    "weights beside it; it was damaged or exchanged"
                )
        return func(*args, **kwargs)


@contextlib.contextmanager
def within(weights: Path, described: Path) -> Iterator[None]:
    """In the block, torch makes tensors of at most four times as many numbers as ``weights`` has bytes for.

    Args:
        weights: file of the weights.
        described: what describes the model, for the message.

    Raises:
        RunError: more are asked for.
    """
    with _Budget(described, 4 * weights.stat().st_size + _FREE):
        yield
