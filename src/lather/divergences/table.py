"""Constants that live on more than one device."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Table"]


class Table:
    """Numbers made once and copied once to every device: each copy makes the host wait for an accelerator.

    Example:
        >>> Table(torch.arange(3.0)).on(torch.zeros(2, dtype=torch.float64))
        tensor([0., 1., 2.], dtype=torch.float64)
    """

    def __init__(self, numbers: Tensor) -> None:
        self.numbers = numbers
        self._copies: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def on(self, like: Tensor) -> Tensor:
        """The numbers where ``like`` is and in its precision; the same tensor every time, not to be changed."""
        key = like.device, like.dtype
        if key not in self._copies:
            with torch.inference_mode(False):  # what is made in there cannot be trained with later
                self._copies[key] = self.numbers.to(like.device, like.dtype, copy=True)
        return self._copies[key]
