"""The parts of an autoencoder that a term may depend on, so that a mismatch shows at construction."""

from __future__ import annotations

from dataclasses import dataclass

from lather.models.likelihoods import Likelihood
from lather.models.posteriors import Posterior
from lather.priors import Prior

__all__ = ["Parts"]


@dataclass(frozen=True)
class Parts:
    """What an objective will meet: known before the first batch."""

    prior: Prior
    posterior: Posterior
    likelihood: Likelihood
