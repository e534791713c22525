"""The Sinkhorn divergence, by GeomLoss."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.base import Divergence
from lather.divergences.first_order import with_gradient
from lather.errors import ConfigError, MissingExtraError
from lather.priors.base import Prior

__all__ = ["Sinkhorn"]


class Sinkhorn(Divergence):
    r"""OT_ε(q, p) − ½ OT_ε(q, q) − ½ OT_ε(p, p): entropic optimal transport between the batch and n prior draws.

    The cost is ½‖x − y‖² and ε = blur²; the self terms remove the shrinking that entropy brings. It lies between W₂²/2
    (blur → 0) and a kernel distance (blur → ∞) and sees what transport sees: location and spread, no matter how far.
    *Biased*, and compared with draws: two true prior samples of n are O(n^{−2/d}) apart at small blur, so
    compare with simulated prior samples. Cost O(n² d) times a few dozen iterations, memory O(n²).

    The gradient is GeomLoss's, that of converged potentials; how near they come is set by ``scaling``.

    Args:
        blur: √ε in units of the latent coordinates, positive.
        scaling: ratio of successive blurs while annealing, between 0 and 1; nearer to 1 is slower and more exact.

    Raises:
        ConfigError: blur is not positive or scaling not between 0 and 1.
        MissingExtraError: GeomLoss is not installed (when first evaluated).

    References:
        Feydy, Séjourné, Vialard, Amari, Trouvé, Peyré (2019), Interpolating between Optimal Transport and MMD using
        Sinkhorn Divergences, arXiv:1810.08278.
        Patrini et al. (2019), Sinkhorn AutoEncoders, arXiv:1810.01118.

    Example:
        >>> Sinkhorn(blur=0.1).biased()  # itself: it is never negative
        Sinkhorn(blur=0.1)
    """

    summary: ClassVar[str] = "Sinkhorn divergence (entropic optimal transport) from prior draws; needs geomloss"

    def __init__(self, blur: float | int = 0.5, scaling: float = 0.7) -> None:
        super().__init__()
        if not (math.isfinite(blur) and blur > 0 and 0 < scaling < 1):
            raise ConfigError(
                f"Sinkhorn needs a finite blur above 0 and a scaling between 0 and 1, got blur={blur!r}, "
                f"scaling={scaling!r}; 0.5 and 0.7 are a start"
            )
        self.blur = float(blur)
        self.scaling = float(scaling)

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        try:
            from geomloss import SamplesLoss
        except ImportError:
            raise MissingExtraError("geomloss", "sinkhorn", "the Sinkhorn divergence") from None
        draws = prior.sample(len(z), generator=generator).detach().to(z)
        if not torch.isfinite(z.detach()).all():
            return z.sum() * torch.nan  # GeomLoss would fail on the diameter
        loss = SamplesLoss("sinkhorn", p=2, blur=self.blur, scaling=self.scaling, backend="tensorized")
        if not z.requires_grad:
            value: Tensor = loss(z, draws)
            return value
        with torch.enable_grad():
            inner = z.detach().requires_grad_()
            value = loss(inner, draws)
            (gradient,) = torch.autograd.grad(value, inner)
        return with_gradient(z, value.detach(), gradient)

    def needs(self, prior: Prior) -> str:
        return "prior samples"

    def biased(self) -> Divergence:
        return self
