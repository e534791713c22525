"""Training posteriors as a landscape: how dense they are at any latent.

Every training datum has a posterior q(z|x_i), a bubble in latent space. Their average is the aggregate posterior, whose
log density says how much at home a latent is among the training data.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from lather.errors import DataError, ShapeError
from lather.priors.aggregate import AggregatePosterior

__all__ = ["Bubbles"]

_NEIGHBOURS = 10
_MOST_POINTS = 10_000  # each latent is compared with all of them, and the ten nearest are sorted out
_CHUNK = 256


class Bubbles:
    """Posteriors N(μ_i, diag σ_i²) of N training data, or their codes where the encoder is deterministic.

    Args:
        mean: μ, (N, d); float64 on the CPU from here on.
        std: σ, (N, d), or ``None`` for points.

    Raises:
        ShapeError: not (N, d), or mean and std differ in shape.
        DataError: fewer than 20 data, values that are not finite, deviations that are not positive.

    Example:
        >>> bubbles = Bubbles(torch.zeros(30, 2), torch.ones(30, 2))
        >>> round(float(bubbles.log_density(torch.zeros(1, 2).double())), 4)  # −log 2π
        -1.8379
    """

    def __init__(self, mean: Tensor, std: Tensor | None = None) -> None:
        mean = _flat("means of training posteriors", mean)
        if std is not None:
            std = _flat("standard deviations of training posteriors", std)
            if std.shape != mean.shape:
                raise ShapeError(
                    f"training means have shape {tuple(mean.shape)} and deviations {tuple(std.shape)}; one of each is "
                    "needed for every datum and dimension"
                )
            if not bool((std > 0).all()):
                raise DataError(
                    "training posteriors have standard deviations that are not positive; for a deterministic encoder "
                    "leave them out, and take exp(½ log σ²) of log-variances"
                )
        self.mean, self.std = mean, std

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def d(self) -> int:
        """Latent dimensions."""
        return self.mean.shape[1]

    def some(self, index: Tensor) -> Bubbles:
        """Those of the data at ``index``."""
        return Bubbles(self.mean[index], None if self.std is None else self.std[index])

    def draw(self, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """One latent of every datum: μ + σ·noise, or the code itself."""
        if self.std is None:
            return self.mean
        noise = torch.randn(self.mean.shape, generator=generator, dtype=torch.float64)
        return self.mean + self.std * noise

    def log_density(self, z: Float[Tensor, "m d"]) -> Float[Tensor, "m"]:
        """log 1/N Σ_i N(z; μ_i, σ_i²) in nats, right to 10⁻³.

        Where there are only points, the estimate from the distance to the tenth nearest of at most 10 000 of them,
        log k/N − d log r_k − log volume of the unit ball. It is rough as a density in many dimensions; as a score,
        whose null is that two samples meet the same function, it need not be right.
        """
        if self.std is not None:
            return (
                AggregatePosterior(self.mean, self.std).log_prob(z.float()).double()
            )  # exp of float32 is twice as fast
        points = self.mean[:_MOST_POINTS]
        k, (n, d) = min(_NEIGHBOURS, len(points)), points.shape
        centre = points.mean(0)
        points = points - centre
        square = points.square().sum(1)
        found = []
        for part in (z - centre).split(_CHUNK):
            distance = (square - 2 * part @ points.T).topk(k, largest=False).values[:, -1] + part.square().sum(1)
            found.append(distance.clamp_min(1e-24 * float(square.mean() + 1)))
        volume = 0.5 * d * math.log(math.pi) - math.lgamma(d / 2 + 1)
        return math.log(k / n) - 0.5 * d * torch.cat(found).log() - volume


def _flat(what: str, x: Tensor) -> Tensor:
    if x.ndim < 2 or not x.is_floating_point():
        raise ShapeError(f"{what} must be floating of shape (N, d), got {x.dtype} {tuple(x.shape)}")
    x = x.detach().flatten(1).cpu().to(torch.float64)
    if len(x) < 20:
        raise DataError(
            f"{what}: at least 20 are needed to speak of a density, got {len(x)}; encode more training data"
        )
    if not bool(torch.isfinite(x).all()):
        raise DataError(f"{what} hold NaN or infinite values; check the data and the encoder")
    return x
