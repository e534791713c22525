"""What a step in the latent space does to the output."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["output_change"]


@torch.no_grad()
def output_change(
    decode: Callable[[Tensor], Tensor], z: Tensor, size: float, *, generator: torch.Generator | None = None
) -> Tensor:
    """RMS change of the output when each latent moves by ``size`` · N(0, I).

    The step is in the units of ``z``. An encoder that merely spreads its latents ten times wider looks ten times more
    robust to such a step; take :func:`~lather.studies.own_units.whitened` latents to compare models.

    Args:
        decode: (n, d) → (n, ...).
        z: (n, d) latents.
        size: standard deviation of the step in each coordinate.
        generator: of the noise.

    Returns:
        (n,), in units of y.
    """
    noise = torch.randn(z.shape, generator=generator, dtype=torch.float64).to(z)
    return (decode(z + size * noise) - decode(z)).flatten(1).square().mean(1).sqrt()
