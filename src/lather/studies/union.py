r"""The union of all training bubbles against the prior: how little they overlap, and on which side new data fall."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing import Bubbles

__all__ = ["Union", "union"]

_DRAWS = 1_000


@dataclass(frozen=True)
class Union:
    """Shares of latents that lie *inside*: where the average q_N of training posteriors is denser than N(0, I).

    Attributes:
        own: of latents of the training data themselves.
        held_out: of latents of new data.
        prior: of prior draws.
    """

    own: float
    held_out: float
    prior: float

    @property
    def variation(self) -> float:
        """TV(q_N, p) = Q_N(q_N > p) − P(q_N > p), of the exact densities at random draws; 1 for disjoint supports."""
        return max(self.own - self.prior, 0.0)


def union(
    mean: Float[Tensor, "n d"],
    std: Float[Tensor, "n d"],
    held_out: Float[Tensor, "m d"],
    *,
    generator: torch.Generator | None = None,
) -> Union:
    """Measure it with at most 1000 latents of each kind.

    Args:
        mean, std: training posteriors, all of which enter q_N.
        held_out: one latent for each new datum, in random order.
        generator: of training latents and prior draws, on the CPU.
    """
    bubbles = Bubbles(mean, std)
    own = bubbles.draw(generator)[torch.randperm(len(bubbles), generator=generator)[:_DRAWS]]
    draws = torch.randn(_DRAWS, bubbles.d, generator=generator, dtype=torch.float64)
    kinds = [own, held_out.double()[:_DRAWS], draws]
    z = torch.cat(kinds)
    log_p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    inside = (bubbles.log_density(z) > log_p).double()
    return Union(*(float(part.mean()) for part in inside.split([len(kind) for kind in kinds])))
