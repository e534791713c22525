"""Latents of all processes as one batch, with gradient."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

__all__ = ["gather_latents"]


def gather_latents(z: Float[Tensor, "b d"], *, even: bool = False) -> Float[Tensor, "n d"]:
    r"""Concatenate the latents of all processes, in the order of ranks; the identity on one process.

    Every process then computes the divergence of the global batch. The backward pass sums the gradients that all
    processes send to a latent: each process's own copy of the loss sends one, so the sum is world_size times the
    gradient, and the mean that data-parallel training takes over processes makes it the gradient of one process
    on the whole batch. No further factor is needed. (``torch.distributed.all_gather`` with the local slice put
    back would give a gradient 1/world_size too small, silently.)

    Processes may bring different numbers of latents, as with a last batch that does not divide, or none. That is right
    for divergences as it is; a term that is a mean over *data*, such as a reconstruction error, is then the mean of
    each process's own, and takes the factor b · world_size / n in its loss.

    Args:
        z: this process's latents.
        even: they are as many on every process, which is then not asked for: saves an exchange of one number, and on
            GPUs the wait for it.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return z
    result: Tensor = _Gather.apply(z, [len(z)] * dist.get_world_size() if even else _numbers(z))
    return result


def _numbers(z: Tensor) -> list[int]:
    """How many latents each process brings."""
    own = torch.tensor([len(z)], device=z.device)
    found = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(found, own)
    return [int(number) for number in found]


class _Gather(torch.autograd.Function):
    """All-gather whose adjoint is the sum over processes, as the adjoint of a copy to everyone must be."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, numbers: list[int]) -> Tensor:
        ctx.numbers = numbers
        most = max(numbers)
        padded = z.contiguous() if len(z) == most else torch.cat([z, z.new_zeros(most - len(z), *z.shape[1:])])
        parts = [torch.empty_like(padded) for _ in numbers]
        dist.all_gather(parts, padded)
        return torch.cat([part[:number] for part, number in zip(parts, numbers, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total.split(ctx.numbers)[dist.get_rank()], None
