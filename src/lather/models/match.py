"""The term that compares a batch of latents with the prior."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lather.divergences import Divergence, Energy
from lather.models.capabilities import Parts
from lather.models.held import Held
from lather.models.objective import Term
from lather.models.step import Step

__all__ = ["Match"]


class Match(Term):
    r"""A divergence between the batch's latents and the prior, D({z_i}, p).

    The latents are draws from the posteriors (the aggregate posterior q(z) is what must match, so noise belongs
    in), those of all processes together. Never multiplied by the batch size.

    Args:
        divergence: any :class:`~lather.divergences.Divergence`, or a sum of them; default the energy
            distance, which has no bandwidth to choose and a bounded gradient that vanishes nowhere.

    Example:
        >>> from lather import CramerWold, Match, Reconstruction
        >>> Reconstruction() + 10 * Match(CramerWold())
        Reconstruction() + 10 * Match(CramerWold())
    """

    key: ClassVar[str] = "match"
    parts = "latents"

    def __init__(self, divergence: Divergence | None = None) -> None:
        super().__init__()
        self.divergence = divergence if divergence is not None else Energy()
        self.arguments = {"divergence": self.divergence}

    def forward(self, step: Step) -> Tensor:
        return self.divergence(step.matched, step.prior, generator=step.generator)

    def __repr__(self) -> str:
        return f"Match({self.divergence!r})"

    def check(self, parts: Parts) -> None:
        self.divergence.check(parts.prior)

    def log(self) -> Match:
        """log of the divergence's V-form, which is positive where the U-form need not be."""
        return Match(self.divergence.log())

    def to_noise_floor(self, z: float = 2.0, *, samples: int | None = None, start: float | None = None) -> Held:
        """Hold the divergence at most ``z`` standard deviations of its null above the noise floor, without a weight.

        See :class:`Held`, which this makes, for the arguments.
        """
        return Held(self.divergence, z=z, samples=samples, start=start)

    def to_detection_size(self, n: int, *, start: float | None = None) -> Held:
        """Hold the divergence where a test at level .05 needs ``n`` latents to see it every other time (n* ≥ n).

        See :class:`Held`, which this makes, for the arguments.
        """
        return Held(self.divergence, detection_size=n, start=start)
