"""A prior whose draws are made once: some take a second a thousand, and many tests want thousands."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from lather.priors import DelegatedDistribution, Prior

__all__ = ["Pool"]


class Pool(Prior):
    """Stands for a prior while it is measured: each call of ``sample`` takes other rows of one pool of its draws.

    Within a call no row comes twice, so that they are independent draws; two calls may share rows, which no single test
    notices. All else is the prior's own.

    Args:
        prior: what is drawn from.
        seed: of the pool.
    """

    def __init__(self, prior: Prior, seed: int = 0) -> None:
        super().__init__()
        self.prior, self.d = prior, prior.d
        self.standard, self.density, self.bounded = prior.standard, prior.density, prior.bounded  # type: ignore[misc]
        self.independent = prior.independent
        self._own = torch.Generator(device=prior.like.device).manual_seed(seed)
        self._drawn = prior.like.new_empty(0, prior.d)

    def __repr__(self) -> str:
        return repr(self.prior)

    @property
    def like(self) -> Tensor:
        return self.prior.like

    def forward(self) -> Distribution:
        return DelegatedDistribution(self)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        if n > len(self._drawn):
            more = self.prior.sample(n - len(self._drawn), generator=self._own)
            self._drawn = torch.cat([self._drawn, more])
        device = generator.device if generator is not None else self._drawn.device
        order = torch.randperm(len(self._drawn), generator=generator, device=device)
        return self._drawn[order[:n].to(self._drawn.device)]

    @torch.no_grad()
    def log_prob(self, z: Tensor) -> Tensor:
        return self.prior.log_prob(z)

    def along(self, directions: Tensor) -> Distribution | None:
        return self.prior.along(directions)

    def squared_radius(self) -> Distribution | None:
        return self.prior.squared_radius()

    def squared_distance(self) -> Distribution | None:
        return self.prior.squared_distance()
