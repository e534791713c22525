"""Gaussian posteriors with a learned spread: diagonal and full covariance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from lather.errors import CapabilityError, ConfigError
from lather.models.posteriors.base import Posterior, soft_clamp
from lather.models.posteriors.distributions import DiagonalNormal, FullNormal, LatentDistribution

__all__ = ["DiagonalGaussian", "FullCovariance"]


class DiagonalGaussian(Posterior):
    r"""N(μ, diag σ²), the posterior of the variational autoencoder.

    The encoder returns μ and log σ² stacked along its first axis. log σ² is bent smoothly into
    (``min_log_variance``, ``max_log_variance``): with the defaults 9e-4 < σ < 20, the identity near 0 (an
    output of −2 is read as −1.97), and a slope that never reaches 0 (.08 at −30). So σ neither underflows
    nor overflows, and an encoder that ran away can come back.

    Args:
        min_log_variance: below 0.
        max_log_variance: above 0.

    Reference:
        D. P. Kingma, M. Welling (2014). Auto-Encoding Variational Bayes. arXiv:1312.6114.

    Example:
        >>> posterior = DiagonalGaussian()
        >>> posterior.output_shape((4, 8, 8))
        (8, 8, 8)
        >>> posterior(torch.zeros(2, 6), (3,)).stddev
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """

    summary: ClassVar[str] = "a Gaussian with its own mean and variances for each datum (VAE)"
    gaussian: ClassVar[bool] = True

    def __init__(self, min_log_variance: float = -14.0, max_log_variance: float = 6.0) -> None:
        super().__init__()
        self.limits = _limits(min_log_variance, max_log_variance)

    def output_shape(self, latent_shape: Sequence[int]) -> tuple[int, ...]:
        first, *rest = super().output_shape(latent_shape)
        return (2 * first, *rest)

    def distribution(self, h: Tensor, latent_shape: tuple[int, ...]) -> LatentDistribution:
        mean, raw = h.chunk(2, dim=1)
        return DiagonalNormal(mean.flatten(1), soft_clamp(raw.flatten(1), *self.limits))


class FullCovariance(Posterior):
    r"""N(μ, L Lᵀ) with the Cholesky factor L from the encoder, for flat latents.

    The encoder returns d means, d numbers l_j with L_jj = exp(l_j / 2) (bent as in
    :class:`DiagonalGaussian`), and the d(d−1)/2 entries of L below the diagonal, row by row:
    d + d(d+1)/2 numbers in all, 152 at d = 16 and 2144 at d = 64.

    Args:
        min_log_variance: lower end for 2 log L_jj, below 0.
        max_log_variance: upper end for 2 log L_jj, above 0.

    Example:
        >>> FullCovariance().output_shape((16,))
        (152,)
    """

    summary: ClassVar[str] = "a Gaussian with a full covariance matrix for each datum"
    gaussian: ClassVar[bool] = True

    def __init__(self, min_log_variance: float = -14.0, max_log_variance: float = 6.0) -> None:
        super().__init__()
        self.limits = _limits(min_log_variance, max_log_variance)

    def output_shape(self, latent_shape: Sequence[int]) -> tuple[int, ...]:
        shape = super().output_shape(latent_shape)
        if len(shape) != 1:
            raise CapabilityError(
                f"FullCovariance() was asked for latents of shape {shape}, which would need a "
                f"{math.prod(shape)} × {math.prod(shape)} covariance matrix per datum; it serves flat latents "
                "such as (16,). For maps use DiagonalGaussian()"
            )
        (d,) = shape
        return (d + d * (d + 1) // 2,)

    def distribution(self, h: Tensor, latent_shape: tuple[int, ...]) -> LatentDistribution:
        (d,) = latent_shape
        mean, diagonal, below = h.split([d, d, d * (d - 1) // 2], dim=1)
        row, column = torch.tril_indices(d, d, offset=-1, device=h.device)
        tril = torch.diag_embed((0.5 * soft_clamp(diagonal, *self.limits)).exp())
        tril = tril.index_put((torch.arange(len(h), device=h.device)[:, None], row, column), below)
        return FullNormal(mean, tril)


def _limits(low: float, high: float) -> tuple[float, float]:
    if not -math.inf < low < 0 < high < math.inf:
        raise ConfigError(
            f"the limits of the log variance must enclose 0 (σ = 1), got ({low}, {high}); "
            "the defaults (-14, 6) mean 9e-4 < σ < 20"
        )
    return float(low), float(high)
