"""The posterior with a density on the unit sphere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.errors import CapabilityError
from lather.models.posteriors.base import Posterior, soft_clamp
from lather.models.posteriors.distributions import LatentDistribution, standard_noise
from lather.models.posteriors.point import on_sphere
from lather.priors import Prior, UniformSphere

__all__ = ["PowerSpherical", "PowerSphericalLaw"]


class PowerSpherical(Posterior):
    r"""q(z|x) ∝ (1 + ⟨μ, z⟩)^κ on the unit sphere of R^d: a bump around μ, for ``UniformSphere`` priors.

    Like a von Mises–Fisher distribution, with exact draws without rejection and a closed-form KL from the uniform
    distribution. The encoder returns d numbers, divided by their norm as in :class:`~lather.models.Sphere`, and one
    more, s: κ = (d − 1) e^s, so that the mean resultant length ‖E z‖ = κ/(κ + d − 1) is sigmoid(s) in any dimension.
    s is bent smoothly into (−6, 10), which means .0025 < ‖E z‖ < .99995.

    Reference: De Cao, Aziz, *The Power Spherical Distribution*, 2020, arXiv:2006.04437.

    Example:
        >>> q = PowerSpherical()(torch.tensor([[3.0, 4.0, 0.0]]), (2,))
        >>> q.centre, q.mean
        (tensor([[0.6000, 0.8000]]), tensor([[0.3000, 0.4000]]))
    """

    summary: ClassVar[str] = "a bump on the unit sphere, with a density, for UniformSphere priors"
    euclidean: ClassVar[bool] = False

    def output_shape(self, latent_shape: Sequence[int]) -> tuple[int, ...]:
        shape = super().output_shape(latent_shape)
        if len(shape) != 1 or shape[0] < 2:
            raise CapabilityError(
                f"PowerSpherical() serves flat latents of at least two numbers, such as (16,), and was asked for "
                f"latents of shape {shape}" + ("; for maps use Sphere()" if len(shape) > 1 else "")
            )
        return (shape[0] + 1,)

    def distribution(self, h: Tensor, latent_shape: tuple[int, ...]) -> LatentDistribution:
        (d,) = latent_shape
        direction, size = h.split([d, 1], dim=1)
        return PowerSphericalLaw(on_sphere(direction), (d - 1) * soft_clamp(size.squeeze(1), -6.0, 10.0).exp())


class PowerSphericalLaw(LatentDistribution):
    r"""Density with respect to surface area, with β = (d − 1)/2 and α = β + κ:

    .. math:: \log q(z) = κ \log\frac{1 + ⟨μ, z⟩}{2} − (d − 1) \log 2 − β \log π − \log Γ(α) + \log Γ(α + β)

    B = (1 − ⟨μ, z⟩)/2 ~ Beta(β, α). A draw is z = (1 − 2B) μ + 2√(B(1−B)) w, with w uniform among the unit vectors
    at right angles to μ. B is a ratio of gamma draws, whose derivative with respect to α is torch's implicit one. The
    derivative with respect to μ takes w along as a vector carried over the sphere, so no pole has to be avoided (the
    reflection of the paper has one) and there is no needless turning about μ in the gradient.

    Normalisers are computed in double precision, and ⟨μ, z⟩ from ‖z − μ‖², which keeps its digits at large κ.

    Args:
        location: μ, rows of norm 1, shape (b, d), d ≥ 2.
        concentration: κ > 0, shape (b,).
    """

    def __init__(self, location: Float[Tensor, "b d"], concentration: Float[Tensor, " b"]) -> None:
        super().__init__(location)
        self.concentration = concentration

    @property
    def centre(self) -> Tensor:
        return self.location

    @property
    def mean(self) -> Tensor:
        """E z = κ/(κ + d − 1) μ, inside the sphere."""
        kappa = self.concentration.unsqueeze(1)
        return kappa / (kappa + 2 * self._beta) * self.location

    @property
    def stddev(self) -> Tensor:
        """Of each coordinate about the mean, from the variances of B along μ and across it."""
        beta, alpha = self._beta, self._beta + self.concentration.unsqueeze(1)
        product = 4 * alpha * beta / ((alpha + beta) * (alpha + beta + 1))
        along, across = product / (alpha + beta), product / (2 * beta)
        square = self.location.square()
        return (along * square + across * (1 - square)).sqrt()

    def draw(self, generator: torch.Generator | None = None) -> Float[Tensor, "b d"]:
        return self._sample((), generator)

    def draws(
        self, k: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "k b d"], Float[Tensor, "k b"]]:
        z = self._sample((k,), generator)
        return z, self.log_prob(z)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self._sample(tuple(sample_shape), None)

    def log_prob(self, value: Float[Tensor, "*n b d"]) -> Float[Tensor, "*n b"]:
        """Log density with respect to surface area, in nats, of points of norm 1."""
        share = ((value - self.location).square().sum(-1) / 4).clamp(max=1 - torch.finfo(value.dtype).eps)  # B
        return self.concentration * torch.log1p(-share) - self._log_normaliser().to(value)

    def entropy(self) -> Float[Tensor, " b"]:
        """Differential entropy with respect to surface area, in nats."""
        return self._entropy().to(self.location)

    def kl(self, prior: Prior) -> Float[Tensor, " b"] | None:
        if not isinstance(prior, UniformSphere):
            return None
        area = -prior.log_prob(self.location.detach()).double()
        return (area - self._entropy()).to(self.location)

    def frozen(self) -> PowerSphericalLaw:
        return PowerSphericalLaw(self.location.detach(), self.concentration.detach())

    @property
    def _beta(self) -> float:
        return (self.location.shape[1] - 1) / 2

    def _log_normaliser(self) -> Tensor:
        """log ∫ ((1 + ⟨μ, z⟩)/2)^κ dz, in double precision."""
        beta, alpha = self._beta, self._beta + self.concentration.double()
        constant = 2 * beta * math.log(2) + beta * math.log(math.pi)
        return constant + torch.lgamma(alpha) - torch.lgamma(alpha + beta)

    def _entropy(self) -> Tensor:
        kappa = self.concentration.double()
        alpha = self._beta + kappa
        log_share = torch.digamma(alpha) - torch.digamma(alpha + self._beta)  # E log (1 − B)
        return self._log_normaliser() - kappa * log_share

    def _sample(self, sample_shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        mu = self.location
        alpha = (self._beta + self.concentration).expand(*sample_shape, -1)
        with_alpha = alpha if generator is None else alpha.to(generator.device)
        share = torch._standard_gamma(torch.full_like(with_alpha, self._beta), generator=generator).to(mu)
        rest = torch._standard_gamma(with_alpha, generator=generator).to(mu)
        along = (rest - share) / (rest + share)  # 1 − 2B, B = share / (share + rest)
        across = 2 * share.sqrt() * rest.sqrt() / (rest + share)
        with torch.no_grad():
            w = standard_noise(mu, (*sample_shape, *mu.shape), generator)
            for _ in range(2):  # twice is enough: at d = 2 most of w may point along μ
                w = torch.nn.functional.normalize(w - (w * mu).sum(-1, keepdim=True) * mu, dim=-1)
        w = w - (w * mu).sum(-1, keepdim=True) * mu
        return along.unsqueeze(-1) * mu + across.unsqueeze(-1) * w
