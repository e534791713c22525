"""Likelihoods of the form x = y + scale · noise, with a fixed, a learned or the optimal scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lather.errors import ConfigError
from lather.models.likelihoods.base import (
    DataDistribution,
    Likelihood,
    checked_squash,
    in_unit_interval,
    positive,
    squared_differences,
    squashed,
)

__all__ = ["AdditiveNoise", "Gaussian", "Laplace", "LocationScale"]


class AdditiveNoise(DataDistribution):
    """Independent numbers around ``mean``, with the noise and at the scale that ``likelihood`` holds.

    Args:
        mean: y, shape (b, *data).
        likelihood: says which noise it is, and how large.
    """

    def __init__(self, mean: Tensor, likelihood: LocationScale) -> None:
        self.location = mean
        self.likelihood = likelihood
        super().__init__(mean)

    @property
    def mean(self) -> Tensor:
        return self.location

    @property
    def scale(self) -> Tensor:
        """The scale parameter, broadcast to (b, *data)."""
        return self.likelihood.scale.to(self.location).expand_as(self.location)

    @property
    def variance(self) -> Tensor:
        return self.likelihood.unit_variance * self.scale.square()

    def _log_prob(self, value: Tensor) -> Tensor:
        p = self.likelihood.power
        deviation = (value - self.location).abs() if p == 1 else squared_differences(value, self.location)
        d, c = self.event_shape.numel(), self.likelihood.log_normaliser
        fixed = self.likelihood.fixed
        if fixed is not None:
            return self._sum(deviation) * (-1 / (p * fixed**p)) - d * (math.log(fixed) + c)
        scale = self.likelihood.scale_of(deviation, self.gather).to(deviation)
        if scale.ndim == 0:  # one number for all: divide the sums by it, and not every pixel
            return self._sum(deviation) / (-p * scale**p) - (scale.log() + c) * d
        return -self._sum(deviation / scale**p) / p - (scale.log().mean() + c) * d

    def _draw(self, sample_shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        with torch.no_grad():
            if self.likelihood.power == 2:
                noise = self._noise(self.location, sample_shape, generator, torch.randn)
            else:
                u = self._noise(self.location, sample_shape, generator, torch.rand) - 0.5
                noise = -u.sign() * torch.log1p((-2 * u.abs()).clamp(min=-1 + 1e-7))
            return self.location + self.scale * noise


class LocationScale(Likelihood):
    r"""Base of :class:`Gaussian` (p = 2) and :class:`Laplace` (p = 1).

    log p(x|z) = −Σ_j [ |x_j − y_j|^p / (p s^p) + log s + log c ], c = √2π or 2.

    Its maximum over s is at s^p = mean |x − y|^p, which is what "optimal" means. At that s the derivative of
    the total over a batch with respect to s is 0, so s is treated as a constant in the backward pass and the
    gradient still is that of the maximised log-likelihood.
    """

    power: ClassVar[int]
    log_normaliser: ClassVar[float]  #: log c
    unit_variance: ClassVar[float]  #: variance at scale 1
    floor: ClassVar[float] = 1e-3  #: smallest learned or optimal scale: perfect fits must not give infinite density
    memory: ClassVar[float] = 0.99  #: share of the running estimate that survives one training batch

    log_scale: Tensor
    running: Tensor
    batches: Tensor

    def __init__(self, scale: float | str, shape: Sequence[int], squash: str | None) -> None:
        super().__init__()
        self.squash = checked_squash(squash)
        self.shape = tuple(shape)
        self.kind = scale if isinstance(scale, str) else "fixed"
        self.fixed = None if isinstance(scale, str) else positive("the scale", scale)
        if self.kind == "learned":
            self.log_scale = nn.Parameter(torch.zeros(self.shape))
        elif self.kind == "optimal":
            self.register_buffer("running", torch.zeros(self.shape))
            self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        elif isinstance(scale, str):
            raise ConfigError(f"the scale is a number, 'learned' or 'optimal', got {scale!r}")
        elif self.shape:
            raise ConfigError(
                f"a fixed scale of {scale} is one number for all, but shape={self.shape} was given; "
                "leave shape out, or use a 'learned' or 'optimal' scale"
            )
        else:
            assert self.fixed is not None
            self.register_buffer("log_scale", torch.tensor(math.log(self.fixed)), persistent=False)

    def param_shape(self, sample_shape: Sequence[int]) -> tuple[int, ...]:
        sample = super().param_shape(sample_shape)
        padded = self._padded(len(sample))
        if len(padded) != len(sample) or any(p not in (1, s) for p, s in zip(padded, sample, strict=True)):
            raise ConfigError(
                f"a scale of shape {self.shape} does not broadcast to samples of shape {sample}; use () for one "
                f"scale, {(sample[0],) + (1,) * (len(sample) - 1)} for one per channel, {sample} for one per number"
            )
        return sample

    @property
    def scale(self) -> Tensor:
        """The scale in use outside training batches, shape ``shape``; 1 before an optimal one has seen data."""
        if self.kind == "learned":
            return (self.log_scale.exp().square() + self.floor**2).sqrt()
        if self.kind == "fixed":
            return self.log_scale.exp()
        weight = 1 - self.memory ** self.batches.to(self.running.dtype)  # corrects the start at 0, as Adam does
        mean = torch.where(self.batches > 0, self.running / weight.clamp(min=1e-12), 1.0)
        return self._from_mean(mean)

    def scale_of(self, deviation: Tensor, gather: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """The scale to score |x − y|^p with: in training an optimal one is that of this batch, and remembered.

        ``gather`` makes that the batch of all processes, each of which holds as large a part.
        """
        if self.kind != "optimal" or not self.training:
            return self.scale
        with torch.no_grad():
            event = self._padded(deviation.ndim - 1)
            shared = [0, *(1 + axis for axis, size in enumerate(event) if size == 1)]
            mean = deviation.mean(shared, keepdim=True).reshape(self.shape).to(self.running.dtype)
            if gather is not None:
                mean = gather(mean.reshape(1, -1)).mean(0).reshape(self.shape)
            self.running.mul_(self.memory).add_(mean, alpha=1 - self.memory)
            self.batches += 1
            return self._from_mean(mean)

    def check(self, x: Tensor) -> None:
        in_unit_interval(self, x, self.squash == "sigmoid")

    def distribution(self, raw: Tensor) -> DataDistribution:
        return AdditiveNoise(squashed(raw, self.squash), self)

    def _from_mean(self, mean: Tensor) -> Tensor:
        return (mean if self.power == 1 else mean.sqrt()).clamp(min=self.floor)

    def _padded(self, ndim: int) -> tuple[int, ...]:
        """``shape`` with leading ones up to ``ndim`` dimensions, as broadcasting reads it."""
        return (1,) * (ndim - len(self.shape)) + self.shape


class Gaussian(LocationScale):
    r"""N(y, σ²) for each number of x, with y the decoder's output.

    log p(x|z) = −‖x − y‖²/2σ² − Σ_j log σ − (d/2) log 2π, in nats. σ sets how much reconstruction counts against
    the other terms: as 1/2σ² does. For images in [0, 1] a fixed σ = 1 asks for next to nothing; use
    ``sigma="optimal"`` (σ² is the mean squared error of each training batch, so the loss is
    (d/2)(log MSE + 1 + log 2π): no weight to tune), ``"learned"``, or a number near the error you can accept.

    Args:
        sigma: a number; ``"learned"``, a parameter that starts at 1; or ``"optimal"``, in eval mode the running
            estimate of the training batches' values, kept as a buffer. The last two never fall below 1e-3.
        shape: the shape of a learned or optimal σ, which must broadcast to a sample: ``()`` one for all,
            ``(C, 1, 1)`` one for each channel, the sample's own shape one for each number.
        squash: ``"sigmoid"`` if y is the sigmoid of the raw output, for data in [0, 1]; None if it is the
            output itself.

    Reference:
        O. Rybkin, K. Daniilidis, S. Levine (2021). Simple and Effective VAE Training with Calibrated Decoders.
        arXiv:2006.13202.

    Example:
        >>> p = Gaussian(sigma="optimal")(torch.zeros(2, 3))
        >>> p.log_prob(torch.full((2, 3), 0.5)).shape, p.likelihood.scale
        (torch.Size([2]), tensor(0.5000))
    """

    summary: ClassVar[str] = "Gaussian noise of fixed, learned or optimal size"
    power: ClassVar[int] = 2
    log_normaliser: ClassVar[float] = 0.5 * math.log(2 * math.pi)
    unit_variance: ClassVar[float] = 1.0

    def __init__(self, sigma: float | str = 1.0, *, shape: Sequence[int] = (), squash: str | None = None) -> None:
        super().__init__(sigma, shape, squash)


class Laplace(LocationScale):
    r"""Laplace noise of scale s for each number of x: log p(x|z) = −Σ_j |x_j − y_j|/s − Σ_j log 2s, in nats.

    Its best y is the median, which keeps edges sharper and minds outliers less than a Gaussian does.

    Args:
        scale: a number, ``"learned"`` or ``"optimal"`` (the batch's mean absolute error), as in
            :class:`Gaussian`.
        shape: the shape of a learned or optimal scale, as in :class:`Gaussian`.
        squash: as in :class:`Gaussian`.

    Example:
        >>> Laplace(0.5)(torch.zeros(1, 1)).log_prob(torch.ones(1, 1))
        tensor([-2.])
    """

    summary: ClassVar[str] = "Laplace noise (absolute error) of fixed, learned or optimal size"
    power: ClassVar[int] = 1
    log_normaliser: ClassVar[float] = math.log(2)
    unit_variance: ClassVar[float] = 2.0

    def __init__(self, scale: float | str = 1.0, *, shape: Sequence[int] = (), squash: str | None = None) -> None:
        super().__init__(scale, shape, squash)
