"""What one training step holds: all that a term of an objective may look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from lather.models.posteriors.distributions import LatentDistribution
from lather.priors import Prior

__all__ = ["Step"]


@dataclass(frozen=True)
class Step:
    """One batch on its way through the autoencoder.

    b is the batch size, d the number of latent dimensions. Terms read a step and never change it.
    """

    x: Tensor  #: data, (b, *sample_shape)
    q: LatentDistribution  #: posterior q(z|x): batch_shape (b,), event_shape (d,)
    z: Tensor  #: one draw from q per datum, (b, d)
    y: Distribution  #: likelihood p(x|z): batch_shape (b,), event_shape sample_shape
    prior: Prior
    matched: Tensor  #: the draws that are compared with the prior, (n, d): z, gathered over processes
    decode: Callable[[Tensor], Distribution]  #: z (b, d) -> likelihood
    decoder: nn.Module  #: the network behind ``decode``, for penalties on its weights
    generator: torch.Generator | None = None  #: for all noise in the step, the same on every process
    t: int = 0  #: optimizer steps taken so far, for annealing
    noise: torch.Generator | None = None  #: for further latent noise, which may differ between processes
    gather: Callable[[Tensor], Tensor] | None = None  #: joins rows (n, k) of all processes, with gradient
