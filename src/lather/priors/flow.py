"""Normalising flows as priors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from lather.errors import ConfigError, MissingExtraError
from lather.priors.base import Prior
from lather.priors.delegated import DelegatedDistribution

__all__ = ["FlowPrior"]

_LOG_2PI = math.log(2 * math.pi)
_KINDS = {"maf": "MAF", "nsf": "NSF"}


class FlowPrior(Prior):
    r"""The law of z = f⁻¹(x), x ~ N(0, I), for a learned autoregressive flow f (package ``zuko``, extra ``flows``).

    ``log_prob`` is exact, log N(f(z); 0, I) + log |det ∂f/∂z|, in one pass of the networks; drawing takes d passes
    a transform, or ``passes``. Trained with the model it follows the latents wherever they go (then it needs a
    ``PosteriorKL``); fitted afterwards to the latents of a trained model, by ascending ``log_prob``, it repairs what is
    drawn from it.

    References: Papamakarios, Pavlakou, Murray, *Masked Autoregressive Flow*, 2017, arXiv:1705.07057; Durkan et al.,
    *Neural Spline Flows*, 2019, arXiv:1906.04032; Chen et al., *Variational Lossy Autoencoder*, 2017,
    arXiv:1611.02731 (as a prior).

    Args:
        d: number of latent dimensions, at least 1.
        kind: ``"maf"``, affine transforms; or ``"nsf"``, rational-quadratic splines on [−5, 5], linear outside.
        transforms: how many transforms in a row; the order of coordinates turns round between them.
        hidden: widths of the networks.
        passes: of the networks to draw through one transform: ``None`` for d, fully autoregressive; ``2`` for coupling
            of two halves, which says less with as many transforms and draws d/2 times as fast.
        learned: whether it is trained with the model. A flow that was fitted before stays as it is with ``False``.
        seed: of the initial weights.

    Raises:
        MissingExtraError: zuko is not installed.
        ConfigError: settings out of range.
    """

    summary: ClassVar[str] = "a normalising flow, learned with the model or fitted to its latents (extra `flows`)"

    def __init__(
        self,
        d: int,
        kind: str = "maf",
        *,
        transforms: int = 3,
        hidden: Sequence[int] = (64, 64),
        passes: int | None = None,
        learned: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if d < 1:
            raise ConfigError(f"a prior needs at least one dimension, got d={d}")
        if kind not in _KINDS:
            raise ConfigError(f"no flow is called {kind!r}; there are: {', '.join(_KINDS)}")
        if transforms < 1 or not hidden or min(hidden) < 1:
            raise ConfigError(f"a flow needs transforms ≥ 1 and positive widths, got {transforms} and {tuple(hidden)}")
        if passes is not None and passes < 2:
            raise ConfigError(f"drawing from a flow takes at least 2 passes a transform, or None for d, got {passes}")
        self.d, self.learned = d, learned
        build = getattr(_zuko().flows, _KINDS[kind])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.flow: nn.Module = build(d, transforms=transforms, hidden_features=tuple(hidden), passes=passes)
        self.flow.requires_grad_(learned)

    def forward(self) -> Distribution:
        return DelegatedDistribution(self)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        like = self.like
        x = torch.randn(n, self.d, generator=generator, device=like.device, dtype=like.dtype)
        inverse: Tensor = self._transform().inv(x)
        return inverse

    def log_prob(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        # N(0, I) is written out: torch's, made anew each time, asks on the host whether its parameters are right
        x, volume = self._transform().call_and_ladj(z.to(self.like.dtype))
        return (volume - 0.5 * (x.square() + _LOG_2PI).sum(-1)).to(z.dtype)

    def _transform(self) -> Any:
        """From latents to N(0, I)."""
        flow: Any = self.flow
        return flow.transform(None)


def _zuko() -> Any:
    """The package, imported without what it changes: it turns off argument checks of all torch distributions."""
    checks = Distribution._validate_args
    try:
        import zuko
    except ImportError:
        raise MissingExtraError("zuko", "flows", "FlowPrior") from None
    finally:
        Distribution.set_default_validate_args(checks)
    return zuko
