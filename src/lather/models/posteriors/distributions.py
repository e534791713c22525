"""Distributions of one datum's latent: a value, a diagonal Gaussian, a full-covariance Gaussian.

All are torch distributions over flat latents, ``batch_shape == (b,)`` and ``event_shape == (d,)``. What they
add is a reparameterised draw from a generator, and closed-form divergences from N(0, I).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints

from lather.errors import CapabilityError
from lather.priors import Prior

__all__ = ["Delta", "DiagonalNormal", "FullNormal", "LatentDistribution", "standard_noise"]

_LOG_2PI = 1.8378770664093453


class LatentDistribution(Distribution):
    """A batch of ``b`` distributions over flat latents of ``d`` dimensions.

    Args:
        location: the means, shape (b, d).
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    support = constraints.real_vector
    has_rsample = True
    location: Tensor

    def __init__(self, location: Float[Tensor, "b d"]) -> None:
        self.location = location
        super().__init__(location.shape[:1], location.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Shape (b, d)."""
        return self.location

    @property
    def centre(self) -> Tensor:
        """A latent that stands for all and may be decoded, (b, d): the mean, or its direction on a sphere."""
        return self.mean

    @property
    def variance(self) -> Tensor:
        """Shape (b, d)."""
        return self.stddev.square()

    @property
    def stddev(self) -> Tensor:
        """Marginal standard deviations, shape (b, d)."""
        raise NotImplementedError

    def draw(self, generator: torch.Generator | None = None) -> Float[Tensor, "b d"]:
        """One draw per datum, with gradients to the parameters; ``generator`` may live on another device."""
        return self._shape_noise(standard_noise(self.location, self.location.shape, generator))

    def draws(
        self, k: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "k b d"], Float[Tensor, "k b"]]:
        """``k`` draws per datum and their log densities in nats, with gradients to the parameters."""
        z = self._shape_noise(standard_noise(self.location, (k, *self.location.shape), generator))
        return z, self.log_prob(z)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws from the global generator, shape (*sample_shape, b, d)."""
        return self._shape_noise(standard_noise(self.location, (*sample_shape, *self.location.shape), None))

    def _shape_noise(self, noise: Tensor) -> Tensor:
        """Latents from standard normal noise (..., b, d)."""
        raise NotImplementedError

    def kl(self, prior: Prior) -> Float[Tensor, " b"] | None:
        """KL(q ‖ prior) of each datum in nats where it is known in closed form, else ``None``."""
        return self.kl_standard_normal() if prior.standard else None

    def frozen(self) -> LatentDistribution:
        """The same distribution, with parameters that take no gradient."""
        raise NotImplementedError

    def gathered(self, gather: Callable[[Tensor], Tensor]) -> LatentDistribution:
        """The distributions of all processes as one batch; ``gather`` joins rows (b, k), with gradient."""
        raise NotImplementedError

    def marginal_log_prob(self, value: Float[Tensor, "*n b d"]) -> Float[Tensor, "*n b d"]:
        """Log density of each coordinate by itself, in nats, where q is Gaussian."""
        standard = (value - self.mean) / self.stddev
        return -0.5 * (standard.square() + _LOG_2PI) - self.stddev.log()

    def kl_per_dimension(self) -> Float[Tensor, "b d"]:
        """The terms of KL(q ‖ N(0, I)), in nats; each row sums to :meth:`kl_standard_normal`."""
        raise NotImplementedError

    def kl_standard_normal(self) -> Float[Tensor, " b"]:
        """KL(q ‖ N(0, I)) of each datum in nats, in closed form."""
        return self.kl_per_dimension().sum(-1)


class Delta(LatentDistribution):
    """All mass on one point: what a deterministic encoder gives. It has no density.

    Example:
        >>> q = Delta(torch.tensor([[1.0, 2.0]]))
        >>> q.draw(), q.variance
        (tensor([[1., 2.]]), tensor([[0., 0.]]))
    """

    @property
    def stddev(self) -> Tensor:
        return torch.zeros_like(self.location)

    def draw(self, generator: torch.Generator | None = None) -> Float[Tensor, "b d"]:
        """The point itself; ``generator`` is not used."""
        return self.location

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.location.expand(*sample_shape, *self.location.shape)

    def draws(self, k: int, generator: torch.Generator | None = None) -> NoReturn:
        self._no_density("log_prob of draws")

    def log_prob(self, value: Tensor) -> NoReturn:
        self._no_density("log_prob")

    def entropy(self) -> NoReturn:
        self._no_density("entropy")

    def kl_per_dimension(self) -> NoReturn:
        self._no_density("the divergence KL(q ‖ p)")

    def kl_standard_normal(self) -> NoReturn:
        self._no_density("the divergence KL(q ‖ p)")

    def _no_density(self, asked: str) -> NoReturn:
        raise CapabilityError(
            f"{asked} of a point posterior was asked for, but a single point (latents of shape "
            f"{tuple(self.location.shape)}) has no density: use FixedNoise(), DiagonalGaussian() or "
            "FullCovariance() as the posterior, or match the latents as a batch with Match(...)"
        )


class DiagonalNormal(LatentDistribution):
    r"""N(μ, diag σ²), with KL(q ‖ N(0, I)) = ½ Σ_j (μ_j² + σ_j² − 1 − log σ_j²).

    Args:
        location: μ, shape (b, d).
        log_variance: log σ², a shape that broadcasts to (b, d).

    Example:
        >>> q = DiagonalNormal(torch.zeros(1, 2), torch.zeros(1, 2))
        >>> q.kl_standard_normal()
        tensor([0.])
    """

    def __init__(self, location: Float[Tensor, "b d"], log_variance: Tensor) -> None:
        super().__init__(location)
        self.log_variance = log_variance.expand_as(location)

    @property
    def stddev(self) -> Tensor:
        return (0.5 * self.log_variance).exp()

    def frozen(self) -> DiagonalNormal:
        return DiagonalNormal(self.location.detach(), self.log_variance.detach())

    def gathered(self, gather: Callable[[Tensor], Tensor]) -> DiagonalNormal:
        return DiagonalNormal(gather(self.location), gather(self.log_variance))

    def _shape_noise(self, noise: Tensor) -> Tensor:
        return torch.addcmul(self.location, self.stddev, noise)

    def log_prob(self, value: Float[Tensor, "*n b d"]) -> Float[Tensor, "*n b"]:
        """Log density in nats."""
        standard = (value - self.location) * (-0.5 * self.log_variance).exp()
        return -0.5 * (standard.square() + self.log_variance + _LOG_2PI).sum(-1)

    def entropy(self) -> Float[Tensor, " b"]:
        """Differential entropy in nats."""
        return 0.5 * (self.log_variance + 1 + _LOG_2PI).sum(-1)

    def kl_per_dimension(self) -> Float[Tensor, "b d"]:
        """KL of each coordinate from N(0, 1), in nats."""
        # σ² − 1 − log σ² as expm1(l) − l: exact near σ = 1, where the plain form cancels
        return 0.5 * (self.location.square() + torch.expm1(self.log_variance) - self.log_variance)


class FullNormal(LatentDistribution):
    r"""N(μ, L Lᵀ) with a lower triangular L of positive diagonal.

    KL(q ‖ N(0, I)) = ½ (‖L‖² + ‖μ‖² − d) − Σ_j log L_jj. Row j of L gives the exact chain-rule term
    E KL(q(z_j | z_<j) ‖ N(0, 1)) = ½ (‖L_j‖² + μ_j² − 1) − log L_jj, so the terms depend on the order of the
    coordinates while their sum does not.

    Args:
        location: μ, shape (b, d).
        scale_tril: L, shape (b, d, d); what lies above the diagonal must be zero.

    Example:
        >>> q = FullNormal(torch.zeros(1, 2), torch.tensor([[[1.0, 0.0], [3.0, 1.0]]]))
        >>> q.stddev.square()
        tensor([[ 1., 10.]])
    """

    def __init__(self, location: Float[Tensor, "b d"], scale_tril: Float[Tensor, "b d d"]) -> None:
        super().__init__(location)
        self.scale_tril = scale_tril

    @property
    def stddev(self) -> Tensor:
        return torch.linalg.vector_norm(self.scale_tril, dim=-1)

    @property
    def covariance_matrix(self) -> Float[Tensor, "b d d"]:
        """L Lᵀ."""
        return self.scale_tril @ self.scale_tril.mT

    def frozen(self) -> FullNormal:
        return FullNormal(self.location.detach(), self.scale_tril.detach())

    def gathered(self, gather: Callable[[Tensor], Tensor]) -> FullNormal:
        tril = gather(self.scale_tril.flatten(1)).unflatten(1, self.scale_tril.shape[1:])
        return FullNormal(gather(self.location), tril)

    def _shape_noise(self, noise: Tensor) -> Tensor:
        return self.location + (self.scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Float[Tensor, "*n b d"]) -> Float[Tensor, "*n b"]:
        """Log density in nats."""
        centred = (value - self.location).unsqueeze(-1)
        standard = torch.linalg.solve_triangular(self.scale_tril, centred, upper=False).squeeze(-1)
        return -0.5 * (standard.square() + _LOG_2PI).sum(-1) - self._log_diagonal().sum(-1)

    def entropy(self) -> Float[Tensor, " b"]:
        """Differential entropy in nats."""
        return 0.5 * (1 + _LOG_2PI) * self.location.shape[-1] + self._log_diagonal().sum(-1)

    def kl_per_dimension(self) -> Float[Tensor, "b d"]:
        """The chain-rule terms, in nats."""
        squared = self.location.square() + self.scale_tril.square().sum(-1)
        return 0.5 * (squared - 1) - self._log_diagonal()

    def _log_diagonal(self) -> Tensor:
        return self.scale_tril.diagonal(dim1=-2, dim2=-1).log()


def standard_noise(like: Tensor, shape: Any, generator: torch.Generator | None) -> Tensor:
    """N(0, I) of the given shape, with device and dtype of ``like``; ``generator`` may live on another device."""
    device = like.device if generator is None else generator.device
    return torch.randn(tuple(shape), generator=generator, device=device, dtype=like.dtype).to(like.device)
