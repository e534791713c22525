"""What a likelihood is: the map from a decoder's raw output to a distribution over data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from lather.errors import ConfigError, DataError, ShapeError
from lather.spec import Spec

__all__ = [
    "DataDistribution",
    "Likelihood",
    "checked_squash",
    "in_unit_interval",
    "positive",
    "squared_differences",
    "squashed",
]


class DataDistribution(Distribution):
    """A batch of ``b`` distributions over data of one shape: ``batch_shape == (b,)``, ``event_shape`` the data's.

    Args:
        raw: the decoder's output, shape (b, *data).
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    support = constraints.real
    gather: Callable[[Tensor], Tensor] | None = None  #: joins rows of all processes, where several share a batch

    def __init__(self, raw: Tensor) -> None:
        super().__init__(raw.shape[:1], raw.shape[1:], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x|z) summed over the numbers of a sample, shape (b,), in nats where the likelihood has a unit.

        Args:
            value: x, shape (..., b, *data).

        Raises:
            ShapeError: x has another shape than what the decoder returned.
        """
        wanted = self.batch_shape + self.event_shape
        if value.shape[max(0, value.ndim - len(wanted)) :] != wanted:
            raise ShapeError(
                f"the likelihood of data of shape {tuple(value.shape)} was asked for, but the decoder returned "
                f"{tuple(wanted)}; both must be (b, *sample_shape)"
            )
        return self._log_prob(value)

    def _log_prob(self, value: Tensor) -> Tensor:
        raise NotImplementedError

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw per datum, shape (b, *data), without gradient; ``generator`` may live on another device."""
        return self._draw((), generator)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws from the global generator, shape (*sample_shape, b, *data)."""
        return self._draw(tuple(sample_shape), None)

    def _draw(self, sample_shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        raise NotImplementedError

    def _noise(
        self,
        like: Tensor,
        sample_shape: tuple[int, ...],
        generator: torch.Generator | None,
        law: Callable[..., Tensor],
    ) -> Tensor:
        """Noise from ``torch.rand`` or ``torch.randn``, one number for each one drawn."""
        device = like.device if generator is None else generator.device
        shape = (*sample_shape, *self.batch_shape, *self.event_shape)
        return law(shape, generator=generator, device=device, dtype=like.dtype).to(like.device)

    def _sum(self, per_number: Tensor) -> Tensor:
        """Over the data's dimensions."""
        return per_number.flatten(per_number.ndim - len(self.event_shape)).sum(-1)


class Likelihood(Spec, nn.Module):
    """Reads a decoder's raw output as a distribution p(x|z) over data.

    ``log_prob(x)`` is summed over the numbers of a sample, shape (b,); ``mean`` is the picture to show.
    """

    summary: ClassVar[str] = ""  #: one line for listings
    normalised: ClassVar[bool] = True  #: whether p(x|z) sums to one over x, so that there is an ELBO to report
    nats: ClassVar[bool] = True  #: whether log_prob is measured in nats

    def __init__(self) -> None:
        super().__init__()

    def param_shape(self, sample_shape: Sequence[int]) -> tuple[int, ...]:
        """What the decoder must return for each sample of shape ``sample_shape``."""
        shape = tuple(sample_shape)
        if not shape or any(size < 1 for size in shape):
            raise ConfigError(
                f"a sample has at least one dimension and no empty one, got shape {shape}; "
                "give (features,) or (channels, height, width)"
            )
        return shape

    def check(self, x: Tensor) -> None:
        """Raises :class:`~lather.errors.DataError` if data such as ``x`` cannot be modelled; once before training."""

    def scores(self, x: Tensor) -> bool:
        """Whether ``log_prob`` of these data is a log probability or density, so that an ELBO bounds it."""
        return self.normalised

    def distribution(self, raw: Tensor) -> DataDistribution:
        """The distribution, from a ``raw`` of at least single precision."""
        raise NotImplementedError

    def forward(self, raw: Float[Tensor, "b *data"]) -> DataDistribution:
        """p(x|z) with ``batch_shape == (b,)`` and ``event_shape`` the sample's shape.

        Half precision is widened to single: a sum over thousands of pixels needs it.

        Raises:
            ShapeError: ``raw`` has no dimension besides the batch.
        """
        if raw.ndim < 2:
            raise ShapeError(
                f"{self!r} reads a decoder output of shape (b, *data), but the decoder returned "
                f"{tuple(raw.shape)}; keep the batch axis and at least one axis of data"
            )
        return self.distribution(raw.float() if raw.dtype in (torch.float16, torch.bfloat16) else raw)


def squared_differences(value: Tensor, mean: Tensor) -> Tensor:
    """(value − mean)² of each number; ``value`` may have further leading axes.

    One pass over memory forward and one backward, where subtracting and squaring take five: of a perceptron's training
    step that is 3%.
    """
    return nn.functional.mse_loss(mean.expand_as(value), value, reduction="none")


def squashed(raw: Tensor, squash: str | None) -> Tensor:
    """The mean picture of a raw output: itself, or its sigmoid where data lie in [0, 1]."""
    return raw.sigmoid() if squash == "sigmoid" else raw


def checked_squash(squash: str | None) -> str | None:
    """``squash`` if it is one of those known."""
    if squash not in (None, "sigmoid"):
        raise ConfigError(f"squash={squash!r} is not known; use 'sigmoid' for data in [0, 1], such as images, or None")
    return squash


def in_unit_interval(likelihood: Likelihood, x: Tensor, needed: bool) -> None:
    """Check the range of data, where the likelihood needs one."""
    if needed and x.numel() and not (x.min() >= 0 and x.max() <= 1):
        raise DataError(
            f"{likelihood!r} models data in [0, 1], got values from {x.min().item():.4g} to {x.max().item():.4g}; "
            "scale the data to [0, 1], or use Gaussian('optimal')"
        )


def positive(name: str, value: float) -> float:
    """``value`` if it is finite and above 0."""
    if not 0 < value < math.inf:
        raise ConfigError(f"{name} must be finite and above 0, got {value}")
    return float(value)
