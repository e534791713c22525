"""The reconstruction term."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lather.models.objective import Term
from lather.models.step import Step

__all__ = ["Reconstruction"]


class Reconstruction(Term):
    r"""Distortion −log p(x|z): summed over the sample's dimensions, mean over the batch.

    In nats where the likelihood is a density or a probability (``Bernoulli``, ``Gaussian``, ``Laplace``), so
    that ``Reconstruction() + PosteriorKL()`` is exactly the negative ELBO per datum. With ``SquaredError`` it is
    the summed squared error ‖x − y‖², which has no unit of information.

    Reference: Kingma, Welling, *Auto-Encoding Variational Bayes*, 2014, arXiv:1312.6114.
    """

    key: ClassVar[str] = "reconstruction"

    def __init__(self) -> None:
        super().__init__()

    def forward(self, step: Step) -> Tensor:
        return -step.y.log_prob(step.x).mean()
