"""Distances of the fitted Gaussian from N(0, I)."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.base import Divergence
from lather.errors import CapabilityError, ConfigError, ShapeError
from lather.priors.base import Prior

__all__ = ["GaussianFit"]


class GaussianFit(Divergence):
    r"""Distance of N(m, S), m and S the mean and covariance of the batch, from N(0, I): W₂² or KL.

    .. math:: W_2^2 = ‖m‖² + \sum_j (\sqrt{λ_j} − 1)^2, \qquad
        KL = \tfrac12 (\operatorname{tr} S + ‖m‖² − d − \log |S|)

    λ_j are the eigenvalues of S (divided by n). It sees mean and covariance and nothing else; the first is the
    Fréchet distance on latents. *Biased*: a true prior sample scores about d(d+1)/4n + d/n (W₂²) or d(d+1)/4n + d/2n
    (KL), and more where n is not many times d, so a raw threshold misleads: compare with :meth:`null_mean` (KL, exact)
    or with simulated prior samples. The latent scale that minimises the KL is 1; W₂² is minimised by a smaller one.
    :class:`~lather.divergences.hermite.HermiteLadder` of order 2 sees the same without bias. Cost O(n d²).

    Sees: mean and covariance. Misses: everything else. Null: about d(d+1)/4n + d/n. Cost: O(n d²).

    Args:
        distance: ``"w2"``, any n, or ``"kl"``, which needs n > d.

    Raises:
        ConfigError: another distance.
        ShapeError: KL of a batch of n ≤ d, whose covariance is singular.

    Reference:
        Dowson, Landau (1982), The Fréchet distance between multivariate normal distributions, J. Multivar. Anal. 12.

    Example:
        >>> from lather.priors import StandardNormal
        >>> z = torch.tensor([[1.0], [3.0]])  # m = 2, S = 1
        >>> GaussianFit()(z, StandardNormal(1)), GaussianFit("kl")(z, StandardNormal(1))
        (tensor(4.), tensor(2.))
    """

    summary: ClassVar[str] = "distance of the fitted Gaussian from N(0, I): mean and covariance alone; biased"

    def __init__(self, distance: str = "w2") -> None:
        super().__init__()
        if distance not in ("w2", "kl"):
            raise ConfigError(f"GaussianFit knows the distances 'w2' and 'kl', got {distance!r}")
        self.distance = distance

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        n, d = z.shape
        if self.distance == "kl" and n <= d:
            raise ShapeError(
                f"the covariance of n={n} latents in d={d} dimensions is singular, so their KL is infinite; use at "
                f"least {d + 1} samples or GaussianFit('w2')"
            )
        x = z.double()
        mean = x.mean(0)
        if not torch.isfinite(mean).all():
            return mean.sum().to(z.dtype) * torch.nan
        roots = torch.linalg.svdvals((x - mean) / math.sqrt(n))  # √λ_j
        moments = mean.square().sum() + roots.square().sum() + d
        if self.distance == "w2":
            return (moments - 2 * roots.sum()).to(z.dtype)
        return (moments / 2 - d - roots.log().sum()).to(z.dtype)

    def check(self, prior: Prior) -> None:
        if not prior.standard:
            raise CapabilityError(
                f"GaussianFit compares the fitted Gaussian with N(0, I) and not with {prior!r}; use StandardNormal, or "
                "MMD, Energy or Sliced(...), which take any prior"
            )

    def needs(self, prior: Prior) -> str:
        return "closed form"

    def biased(self) -> Divergence:
        return self

    def null_moments(self, prior: Prior, n: int) -> tuple[float | None, float | None]:
        return (self.null_mean(n, prior.d) if self.distance == "kl" and n > prior.d else None), None

    def null_mean(self, n: int, d: int) -> float:
        """Exact mean of the KL for n draws from N(0, I_d), from the law of a Wishart determinant.

        Raises:
            ConfigError: the distance is W₂², or n ≤ d.
        """
        if self.distance != "kl" or n <= d:
            raise ConfigError(f"the null mean is known for GaussianFit('kl') at n > d; not for {self!r}, n={n}, d={d}")
        freedom = torch.arange(n - d, n, dtype=torch.float64) / 2
        log_determinant = float(torch.special.digamma(freedom).sum()) + d * math.log(2 / n)
        return -log_determinant / 2  # E (tr S + ‖m‖²) = d
