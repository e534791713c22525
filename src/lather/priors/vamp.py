"""The variational mixture of posteriors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from lather.errors import ConfigError, ShapeError
from lather.priors.base import Prior
from lather.priors.delegated import DelegatedDistribution

__all__ = ["VampPrior"]


class VampPrior(Prior):
    r"""p(z) = 1/K Σ_k q(z | u_k): the mean of the encoder's own posteriors at K learned pseudo-inputs u_k.

    The rate is least where p is the aggregate posterior; this is that mixture cut down to K data which are
    themselves trained, so it stays close to where latents lie while they move. It needs a posterior with a density
    and a ``PosteriorKL``, whose gradient reaches pseudo-inputs and encoder. The encoder is the model's:
    :class:`~lather.models.Autoencoder` attaches it, and a prior belongs to the model that was built with it last.
    Every step encodes the K pseudo-inputs, too, so layers that look at a whole batch (batch normalisation) see them
    as a batch of their own.

    Reference: Tomczak, Welling, *VAE with a VampPrior*, AISTATS 2018, arXiv:1705.07120 (K = 500).

    Args:
        d: number of latent dimensions.
        pseudo_inputs: where the u_k start, (K, \*sample_shape); see :meth:`from_data`.

    Raises:
        ShapeError: pseudo-inputs that are not a floating (K, ...) tensor.

    Example:
        >>> VampPrior.from_data(2, torch.rand(1000, 1, 8, 8), k=20)
        VampPrior(2, tensor(20, 1, 8, 8))
    """

    summary: ClassVar[str] = "posteriors at learned pseudo-inputs (VampPrior): follows the latents; needs a KL term"
    stored: ClassVar[frozenset[str]] = frozenset({"pseudo_inputs"})
    pseudo_inputs: Tensor

    def __init__(self, d: int, pseudo_inputs: Tensor) -> None:
        super().__init__()
        if d < 1:
            raise ConfigError(f"a prior needs at least one dimension, got d={d}")
        if pseudo_inputs.ndim < 2 or not pseudo_inputs.is_floating_point() or not len(pseudo_inputs):
            raise ShapeError(
                "pseudo-inputs are data, a floating (k, *sample_shape), got "
                f"{pseudo_inputs.dtype} {tuple(pseudo_inputs.shape)}"
            )
        self.d = d
        self.learned = True
        self.pseudo_inputs = nn.Parameter(pseudo_inputs.detach().clone())
        self._encode: Callable[[Tensor], _Posterior] | None = None

    @classmethod
    def from_data(cls, d: int, x: Tensor, k: int = 500, *, seed: int = 0) -> VampPrior:
        r"""Start at ``k`` of the data (n, \*sample_shape), drawn without replacement by ``seed``."""
        if not 1 <= k <= len(x):
            raise ConfigError(f"{k} pseudo-inputs cannot be taken from {len(x)} data; use 1 ≤ k ≤ {len(x)}")
        return cls(d, x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:k].to(x.device)])

    def attach(self, encode: Callable[[Tensor], Any]) -> None:
        self._encode = encode

    def forward(self) -> Distribution:
        return DelegatedDistribution(self)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        u = self.pseudo_inputs
        chosen = torch.randint(len(u), (n,), generator=generator, device=u.device)
        return torch.cat([self._posterior(u[part]).draw(generator) for part in chosen.split(512)])

    def log_prob(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        k = len(self.pseudo_inputs)
        pairs = z.unsqueeze(-2).expand(*z.shape[:-1], k, self.d)
        return self._posterior(self.pseudo_inputs).log_prob(pairs).logsumexp(-1) - math.log(k)

    def _posterior(self, u: Tensor) -> _Posterior:
        if self._encode is None:
            raise ConfigError(
                f"{self!r} is made of a model's posteriors and belongs to none yet; build the model with it: "
                "Autoencoder(encoder, decoder, prior=..., objective=...)"
            )
        return self._encode(u)


class _Posterior(Protocol):
    def draw(self, generator: torch.Generator | None = None) -> Tensor: ...

    def log_prob(self, value: Tensor) -> Tensor: ...
