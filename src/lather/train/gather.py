"""Latents of all processes as one batch, with gradient."""

from __future__ import annotations

import torch
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
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return z
    from torch.distributed.nn.functional import all_gather

    return torch.cat(list(all_gather(z)), dim=0)
