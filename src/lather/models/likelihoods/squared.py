"""Plain squared error: a reconstruction loss that claims no probability."""

from __future__ import annotations

from typing import ClassVar, NoReturn

import torch
from torch import Tensor

from lather.errors import CapabilityError
from lather.models.likelihoods.base import (
    DataDistribution,
    Likelihood,
    checked_squash,
    in_unit_interval,
    positive,
    squared_differences,
    squashed,
)

__all__ = ["SquaredError", "SquaredErrorData"]


class SquaredErrorData(DataDistribution):
    """A picture and a weight; not a probability distribution.

    Args:
        mean: y, shape (b, *data).
        weight: factor of the squared error.
    """

    def __init__(self, mean: Tensor, weight: float) -> None:
        self.location = mean
        self.weight = weight
        super().__init__(mean)

    @property
    def mean(self) -> Tensor:
        return self.location

    @property
    def variance(self) -> NoReturn:
        self._refuse("a variance")

    def _log_prob(self, value: Tensor) -> Tensor:
        return -self.weight * self._sum(squared_differences(value, self.location))

    def _draw(self, sample_shape: tuple[int, ...], generator: torch.Generator | None) -> NoReturn:
        self._refuse("a random draw of the data")

    def _refuse(self, asked: str) -> NoReturn:
        raise CapabilityError(
            f"{asked} was asked for, but SquaredError(weight={self.weight}) is no probability distribution: "
            f"take its .mean, or use the likelihood with the same gradient, Gaussian({(2 * self.weight) ** -0.5:.4g})"
        )


class SquaredError(Likelihood):
    r"""−weight · ‖x − y‖², summed over the numbers of a sample.

    The loss of WAE, SWAE and most deterministic autoencoders. Up to a constant it is the log-likelihood of a
    Gaussian with σ² = 1/(2·weight); as nobody chose that σ, no ELBO is made of it.

    Args:
        weight: above 0 (WAE's reference code: 0.05).
        squash: ``"sigmoid"`` if y is the sigmoid of the raw output, for data in [0, 1]; None if it is the
            output itself.

    Example:
        >>> SquaredError()(torch.zeros(1, 4)).log_prob(torch.ones(1, 4))
        tensor([-4.])
    """

    summary: ClassVar[str] = "plain squared error; not a probability, so there is no ELBO"
    normalised: ClassVar[bool] = False
    nats: ClassVar[bool] = False

    def __init__(self, weight: float = 1.0, *, squash: str | None = None) -> None:
        super().__init__()
        self.weight = positive("the weight of the squared error", weight)
        self.squash = checked_squash(squash)

    def check(self, x: Tensor) -> None:
        in_unit_interval(self, x, self.squash == "sigmoid")

    def distribution(self, raw: Tensor) -> DataDistribution:
        return SquaredErrorData(squashed(raw, self.squash), self.weight)
