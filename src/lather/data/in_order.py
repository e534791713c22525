"""Samples of a file in the order they have there, for comparing with latents row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lather.data.folder import read_path
from lather.data.layout import arrange
from lather.data.samples import Request
from lather.data.values import check_finite, store_images, store_table
from lather.errors import DataError

__all__ = ["read_in_order"]


def read_in_order(path: Path) -> Tensor:
    """All samples of a file, or the test set of a folder that has one, unshuffled and undivided.

    Images are float32 in [0, 1], (n, C, H, W), by the rules of :func:`lather.data.load`; features stay as they are.

    Raises:
        DataError: nothing there, values that are not finite, or a range that is not clear.
    """
    sets = read_path(Path(path).expanduser(), Request())
    name = next((split for split in ("all", "test") if split in sets), None)
    if name is None:
        raise DataError(f"{path} holds {', '.join(sets)} sets; give the file whose rows belong to the latents")
    samples = sets[name]
    x: np.ndarray = samples.x if samples.decoded else arrange(samples.x, samples.origin)
    check_finite(x, samples.origin, samples.columns, remedy="Leave these samples out, and their latents")
    if x.ndim == 2:
        return store_table(x).to(torch.float32)
    (tensor,), scaling = store_images([x], [samples.origin], decoded=samples.decoded)
    return scaling(tensor)
