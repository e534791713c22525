"""How strongly a decoder answers to its latent: the norm of its Jacobian."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["jacobian_norm"]


def jacobian_norm(
    decode: Callable[[Tensor], Tensor], z: Tensor, *, directions: int = 8, generator: torch.Generator | None = None
) -> Tensor:
    """‖∂y/∂z‖_F at each latent, by Hutchinson's estimate: E‖J v‖² = ‖J‖²_F for v ~ N(0, I).

    Directions are orthonormal and scaled by √d, so that ``directions >= d`` gives the norm exactly.

    Args:
        decode: (n, d) → (n, ...), each row by itself (no batch statistics).
        z: (n, d) latents.
        directions: how many to try, at most d are used.
        generator: of the directions.

    Returns:
        (n,), in units of y per unit of z.
    """
    d = z.shape[1]
    k = min(directions, d)
    basis = torch.linalg.qr(torch.randn(d, k, generator=generator, dtype=torch.float64))[0].to(z)  # (d, k)
    total = torch.zeros(len(z), dtype=z.dtype, device=z.device)
    for v in basis.T:
        _, along = torch.autograd.functional.jvp(decode, z, v.expand_as(z).contiguous())
        total += along.flatten(1).square().sum(1)
    return (total.detach() * (d / k)).sqrt()
