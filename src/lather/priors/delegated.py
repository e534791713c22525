"""A prior's own draws and density in the form of a torch distribution."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from lather.priors.base import Prior

__all__ = ["DelegatedDistribution"]


class DelegatedDistribution(Distribution):
    """What ``prior()`` returns where torch has no such distribution, or one that would be wasteful.

    ``sample`` and ``log_prob`` are the prior's own.

    Args:
        prior: implements both without asking for its ``forward()``.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    support = constraints.real_vector
    has_rsample = False

    def __init__(self, prior: Prior) -> None:
        super().__init__(event_shape=torch.Size((prior.d,)), validate_args=False)
        self._prior = prior

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        return self._prior.sample(math.prod(sample_shape)).reshape(*sample_shape, *self._event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return self._prior.log_prob(value)
