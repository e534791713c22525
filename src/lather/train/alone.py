"""One process on a CPU in full precision: what the training loop asks of Fabric, without importing it.

Most trainings are of this kind, and importing ``lightning_fabric`` takes them longer than the first epoch of a small
model: seconds, for what is then a dozen one-liners.
"""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["Alone"]


class Alone:
    """The part of ``lightning_fabric.Fabric`` that trainings use, for one process on a CPU."""

    device = torch.device("cpu")
    global_rank = 0
    world_size = 1

    def setup(self, module: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        return module, optimizer

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def clip_gradients(
        self, module: nn.Module, optimizer: Optimizer, *, max_norm: float, error_if_nonfinite: bool = True
    ) -> Tensor:
        return nn.utils.clip_grad_norm_(module.parameters(), max_norm, error_if_nonfinite=error_if_nonfinite)

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def no_backward_sync(self, module: nn.Module, enabled: bool = True) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def all_reduce(self, values: Tensor, reduce_op: str = "mean") -> Tensor:
        return values

    def barrier(self) -> None:
        return None
