"""Latents of all processes as one batch, with gradient."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

__all__ = ["gather_latents"]


def gather_latents(z: Float[Tensor, "b d"]) -> Float[Tensor, "n d"]:
    r"""Concatenate the latents of all processes, in the order of ranks; the identity on one process.

    Every process then computes the divergence of the global batch. The backward pass sums the gradients that all
    processes send to a latent: each process's own copy of the loss sends one, so the sum is world_size times the
    gradient, and the mean that data-parallel training takes over processes makes it the gradient of one process
    on the whole batch. No further factor is needed. (``torch.distributed.all_gather`` with the local slice put
    back would give a gradient 1/world_size too small, silently.)

    Args:
        z: this process's latents; the same number on every process.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return z
    result: Tensor = _Gather.apply(z)
    return result


class _Gather(torch.autograd.Function):
    """All-gather whose adjoint is the sum over processes, as the adjoint of a copy to everyone must be."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        parts = [torch.empty_like(z, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, z.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total.chunk(dist.get_world_size())[dist.get_rank()]
