"""The term that compares a batch of latents with the prior."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lather.divergences import Divergence
from lather.models.capabilities import Parts
from lather.models.objective import Term
from lather.models.step import Step

__all__ = ["Match"]


class Match(Term):
    r"""A divergence between the batch's latents and the prior, D({z_i}, p).

    The latents are draws from the posteriors (the aggregate posterior q(z) is what must match, so noise belongs
    in), those of all processes together. Never multiplied by the batch size.

    Args:
        divergence: any :class:`~lather.divergences.Divergence`, or a sum of them.

    Example:
        >>> from lather import CramerWold, Match, Reconstruction
        >>> Reconstruction() + 10 * Match(CramerWold())
        Reconstruction() + 10 * Match(CramerWold())
    """

    key: ClassVar[str] = "match"

    def __init__(self, divergence: Divergence) -> None:
        super().__init__()
        self.divergence = divergence

    def forward(self, step: Step) -> Tensor:
        return self.divergence(step.matched, step.prior, generator=step.generator)

    def check(self, parts: Parts) -> None:
        self.divergence.check(parts.prior)

    def log(self) -> Match:
        """log of the divergence's V-form, which is positive where the U-form need not be."""
        return Match(self.divergence.log())
