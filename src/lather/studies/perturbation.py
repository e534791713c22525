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
    """RMS change of the output when each latent moves by ``size`` · s · N(0, I), s the RMS deviation of latents.

    The step is relative to the spread of the latents themselves: an encoder that merely spreads its latents ten times
    wider would otherwise look ten times more robust.

    Args:
        decode: (n, d) → (n, ...).
        z: (n, d) latents.
        size: of the step, as a share of the latents' RMS standard deviation.
        generator: of the noise.

    Returns:
        (n,), in units of y.
    """
    scale = z.var(0).mean().sqrt()
    noise = torch.randn(z.shape, generator=generator, dtype=torch.float64).to(z)
    moved = decode(z + size * scale * noise)
    return (moved - decode(z)).flatten(1).square().mean(1).sqrt()
