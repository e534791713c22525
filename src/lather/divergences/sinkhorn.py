"""The Sinkhorn divergence."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.base import Divergence
from lather.divergences.first_order import with_gradient
from lather.errors import ConfigError
from lather.priors.base import Prior

__all__ = ["Sinkhorn"]


class Sinkhorn(Divergence):
    r"""OT_ε(q, p) − ½ OT_ε(q, q) − ½ OT_ε(p, p): entropic optimal transport between the batch and n prior draws.

    The cost is ½‖x − y‖² and ε = blur²; the self terms remove the shrinking that entropy brings. OT_ε is the maximum
    of mean_i f_i + mean_j g_j over potentials with

    .. math:: f_i = -ε \log \tfrac1n \sum_j e^{(g_j - ‖x_i - y_j‖²/2)/ε}

    and likewise for g, found by repeating these two lines while ε falls from the largest cost, and then until nothing
    moves by more than ``tolerance`` · ε. The gradient is that of the converged value (envelope theorem),
    Σ_j P_ij (x_i − y_j) for the plan P. Potentials that have *not* converged are no harmless shortcut: with a blur
    of .5 and a few dozen steps in 8 dimensions, the gradient along the scale of the latents has the wrong sign.

    It lies between W₂²/2 (blur → 0) and half a squared distance of means (blur → ∞), and sees what transport sees:
    location and spread, no matter how far off. *Biased*, and compared with draws: two true prior samples of n are
    O(n^{−2/d}) apart at small blur. A blur of ½√d keeps the ratio of cost to ε the same in every dimension, and a few
    dozen repetitions enough. Cost O(n² d) and O(n²) a repetition, in float64; memory O(n²).

    Sees: location and spread, no matter how far off. Misses: detail below the blur, and below the noise of n prior
    draws, which is large in many dimensions. Null: above 0, of order n^{−2/d} at small blur. Cost: O(n² d) and some
    dozens of O(n²), in float64.

    Args:
        blur: √ε in units of the latent coordinates, positive.
        tolerance: when potentials have converged, in units of ε.
        most: repetitions at the final ε after which they are taken as they are.

    Raises:
        ConfigError: blur, tolerance or most is not positive.

    References:
        Feydy, Séjourné, Vialard, Amari, Trouvé, Peyré (2019), Interpolating between Optimal Transport and MMD using
        Sinkhorn Divergences, arXiv:1810.08278.
        Patrini et al. (2019), Sinkhorn AutoEncoders, arXiv:1810.01118.

    Example:
        >>> Sinkhorn(blur=1.5).biased()  # itself: it is never negative
        Sinkhorn(blur=1.5)
    """

    summary: ClassVar[str] = "Sinkhorn divergence: entropic optimal transport from prior draws"

    def __init__(self, blur: float | int = 1.0, tolerance: float = 1e-3, most: int = 1000) -> None:
        super().__init__()
        if not (math.isfinite(blur) and blur > 0 and tolerance > 0 and most >= 1):
            raise ConfigError(
                f"Sinkhorn needs a finite blur above 0, a tolerance above 0 and most ≥ 1, got blur={blur!r}, "
                f"tolerance={tolerance!r}, most={most!r}; half the square root of d is a good blur"
            )
        self.blur = float(blur)
        self.tolerance = float(tolerance)
        self.most = most

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        y = prior.sample(len(z), generator=generator).detach().to(z).double()
        with torch.no_grad():
            x = z.detach().double()
            if not torch.isfinite(x).all():
                return z.sum() * torch.nan
            cross, plan = self._transport(x, y)
            own, inner = self._transport(x)
            value = (cross - (own + self._transport(y)[0]) / 2).to(z.dtype)
            gradient = (inner @ x - plan @ y).to(z.dtype)  # rows of both plans sum to 1/n, so that x itself drops out
        return with_gradient(z, value, gradient) if z.requires_grad else value

    def needs(self, prior: Prior) -> str:
        return "prior samples"

    def biased(self) -> Divergence:
        return self

    def _transport(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """OT_ε between the rows of ``x`` (n, d) and of ``y``, or of ``x`` again, and the plan (n, n)."""
        alone = y is None
        y = x if y is None else y
        cost = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square() / 2
        back = cost.T.contiguous()
        target = self.blur**2
        epsilon = max(float(cost.max()), target)
        f, g = cost.new_zeros(len(x)), cost.new_zeros(len(y))
        left = self.most
        while left > 0:
            epsilon = max(epsilon / 2, target)
            before = f
            f = _softmin(cost, g, epsilon)
            if alone:  # one potential; the mean of old and new converges where the new one alone would swing
                f = g = (f + g) / 2
            else:
                g = _softmin(back, f, epsilon)
            if epsilon == target:
                left -= 1
                if float((f - before).abs().max()) <= self.tolerance * target:
                    break
        f = _softmin(cost, g, target)
        plan = ((f[:, None] + g - cost) / target).exp() / cost.numel()
        return f.mean() + g.mean(), plan


def _softmin(cost: Tensor, g: Tensor, epsilon: float) -> Tensor:
    """−ε log mean_j exp((g_j − C_ij)/ε), (n,)."""
    return epsilon * (math.log(len(g)) - ((g - cost) / epsilon).logsumexp(1))
