"""What is trained against the model: the critic of an adversarial term."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from lather.models.step import Step

__all__ = ["Opponent"]


@runtime_checkable
class Opponent(Protocol):
    """A player with parameters, a loss and an optimizer of its own.

    Its parameters have ``requires_grad == False`` except while it is trained, so that the model's optimizer and
    data-parallel wrapper leave them alone. The training loop asks the objective for its opponents and trains each for
    ``rounds`` steps before every step of the model, with the gradients averaged over processes.
    """

    rounds: int  #: its steps for each step of the model

    def parameters(self) -> Iterable[nn.Parameter]:
        """What it learns."""
        ...

    def loss(self, step: Step) -> Tensor:
        """What it minimises, from a step computed without gradient; new noise comes from ``step.generator``."""
        ...

    def optimizer(self) -> torch.optim.Optimizer:
        """A fresh optimizer of its parameters."""
        ...
