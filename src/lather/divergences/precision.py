"""Products in full float32, whatever the rest of a program allows itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["full_precision"]


@contextmanager
def full_precision() -> Iterator[None]:
    """Matrix products of float32 keep all its digits within, also after ``torch.set_float32_matmul_precision("high")``.

    TF32 and bfloat16 products are off by 10⁻³ of ‖x‖²; squared distances and the statistics made of them lie far below.
    """
    before = torch.get_float32_matmul_precision()
    if before == "highest":
        yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
