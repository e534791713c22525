"""The Bernoulli likelihood: cross entropy between pixels and their predicted probabilities."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from lather.models.likelihoods.base import DataDistribution, Likelihood, in_unit_interval

__all__ = ["Bernoulli", "BernoulliData"]


class BernoulliData(DataDistribution):
    """Independent Bernoulli numbers.

    Args:
        logits: log-odds of a one, shape (b, *data).
    """

    def __init__(self, logits: Float[Tensor, "b *data"]) -> None:
        self.logits = logits
        super().__init__(logits)

    @property
    def mean(self) -> Tensor:
        return self.logits.sigmoid()

    @property
    def variance(self) -> Tensor:
        return self.logits.sigmoid() * (-self.logits).sigmoid()

    def _log_prob(self, value: Tensor) -> Tensor:
        logits = self.logits.expand_as(value)
        return -self._sum(binary_cross_entropy_with_logits(logits, value, reduction="none"))

    def entropy(self) -> Tensor:
        """In nats, shape (b,)."""
        return self._sum(softplus(self.logits) - self.logits * self.logits.sigmoid())

    def _draw(self, sample_shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        with torch.no_grad():
            p = self.mean
            return (self._noise(p, sample_shape, generator, torch.rand) < p).to(p.dtype)


class Bernoulli(Likelihood):
    r"""Each number of x is 1 with probability sigmoid(raw), 0 otherwise.

    log p(x|z) = Σ_j x_j log p_j + (1 − x_j) log(1 − p_j), in nats.

    For binary x this is a likelihood. For grey values in [0, 1] the same expression, the usual cross
    entropy, still is a good loss (its best p_j is x_j), but it is *not* a likelihood: it never exceeds the
    constant Σ_j x_j log x_j + (1 − x_j) log(1 − x_j), on average −46 nats for MNIST, and lacks the
    normaliser of the continuous Bernoulli law, which depends on p. An "ELBO" from grey values therefore cannot
    be compared with one from binarised data.

    Reference:
        G. Loaiza-Ganem, J. P. Cunningham (2019). The continuous Bernoulli: fixing a pervasive error in
        variational autoencoders. arXiv:1907.06845.

    Example:
        >>> p = Bernoulli()(torch.zeros(1, 2, 3))
        >>> p.log_prob(torch.ones(1, 2, 3)) / 6
        tensor([-0.6931])
    """

    summary: ClassVar[str] = "cross entropy; a likelihood for binary data, a usual loss for data in [0, 1]"

    def check(self, x: Tensor) -> None:
        in_unit_interval(self, x, True)

    def scores(self, x: Tensor) -> bool:
        return bool(((x == 0) | (x == 1)).all())

    def distribution(self, raw: Tensor) -> DataDistribution:
        return BernoulliData(raw)
