"""What a reader is asked for, and what it hands back before layout, labels and splits are settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

__all__ = ["Request", "Samples"]


@dataclass(frozen=True)
class Request:
    """The settings of :func:`lather.data.load` that a reader may need."""

    image_size: tuple[int, int] | None = None  #: (height, width) to crop and resize to
    channels: Literal[1, 3] | None = None  #: greyscale or RGB; None: colour as soon as one image has colour
    columns: tuple[str, ...] | None = None  #: feature (or image) columns of a table
    label: str | None = None  #: label column of a table
    key: str | None = None  #: array of a .npz, or place in a .h5ad
    limit: int | None = None  #: read at most so many samples of each file
    seed: int = 0  #: which ones, where there are more
    progress: bool = False  #: whether to show a progress bar

    def rows(self, n: int) -> np.ndarray | None:
        """Which of ``n`` rows to keep, ascending; ``None`` for all.

        A random subset rather than the first rows: files are often sorted by class.
        """
        if self.limit is None or n <= self.limit:
            return None
        order = torch.randperm(n, generator=torch.Generator().manual_seed(self.seed))
        return order[: self.limit].sort().values.numpy()


@dataclass(frozen=True)
class Samples:
    """Samples of one file or folder, as they were found.

    Args:
        x: (n, ...) values.
        origin: the file or folder, for messages.
        labels: (n,) integers, or text; -1 or the empty text where the class is not known.
        classes: names of the integer labels, where the file tells.
        columns: names of the columns of a two-dimensional ``x``.
        decoded: whether ``x`` holds decoded pictures, uint8 (n, C, H, W): nothing is left to guess.
    """

    x: np.ndarray
    origin: str
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    decoded: bool = False
