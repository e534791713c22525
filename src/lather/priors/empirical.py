"""A sample as a prior."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from lather.errors import CapabilityError, ConfigError, ShapeError
from lather.priors.base import Prior
from lather.priors.delegated import DelegatedDistribution

__all__ = ["Empirical"]


class Empirical(Prior):
    """The rows of a given sample, drawn with replacement: whatever law can be drawn from, without its density.

    It is what latents are compared with when all that is known of the target is a sample, such as the latents of
    another model. With n rows a divergence of order 1/n remains that no latents can undercut but copies.

    Args:
        z: the sample, (n, d), finite.

    Raises:
        ShapeError: not a floating (n, d) tensor.
        ConfigError: values that are not finite.

    Example:
        >>> prior = Empirical(torch.tensor([[0.0, 1.0], [2.0, 3.0]]))
        >>> prior.sample(5).shape
        torch.Size([5, 2])
    """

    summary: ClassVar[str] = "rows of a given sample, with replacement; it has no density"
    density: ClassVar[bool] = False
    stored: ClassVar[frozenset[str]] = frozenset({"z"})
    z: Tensor

    def __init__(self, z: Tensor) -> None:
        super().__init__()
        if z.ndim != 2 or not z.is_floating_point() or 0 in z.shape:
            raise ShapeError(f"an empirical prior takes a floating (n, d) sample, got {z.dtype} {tuple(z.shape)}")
        if not bool(torch.isfinite(z).all()):
            bad = int((~torch.isfinite(z)).any(1).sum())
            raise ConfigError(f"an empirical prior takes finite values, but {bad} of {len(z)} rows are not; drop them")
        self.d = z.shape[1]
        self.register_buffer("z", z.detach().clone())

    def forward(self) -> Distribution:
        return DelegatedDistribution(self)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        return self.z[torch.randint(len(self.z), (n,), generator=generator, device=self.z.device)]

    def log_prob(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        raise CapabilityError(
            f"the density of {self!r} was asked for, but a sample has none; use AggregatePosterior(mean, std), "
            "GaussianMixture(...) or FlowPrior(d) for one that was fitted, or match samples: Match(Energy())"
        )
