"""Sums, multiples and logarithms of divergences, which are divergences again."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lather.divergences.base import Divergence
from lather.errors import ConfigError
from lather.priors.base import Prior

__all__ = ["DivergenceSum", "Log", "Weighted"]


class DivergenceSum(Divergence):
    """The sum of several divergences, what ``+`` builds.

    All parts see the same latents; a ``generator`` is handed from part to part.

    Example:
        >>> from lather.divergences import Energy, RadiusCDF
        >>> Energy() + 0.5 * RadiusCDF()
        Energy() + 0.5 * RadiusCDF()
    """

    summary: ClassVar[str] = "sum of divergences"

    def __init__(self, *parts: Divergence) -> None:
        super().__init__()
        if not parts:
            raise ConfigError("a sum of divergences needs at least one part")
        self.parts = nn.ModuleList(parts)

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        return torch.stack([part.estimate(z, prior, generator).to(z.dtype) for part in self._each()]).sum()

    def check(self, prior: Prior) -> None:
        for part in self._each():
            part.check(prior)

    def needs(self, prior: Prior) -> str:
        answers = {part.needs(prior) for part in self._each()}
        return "prior samples" if "prior samples" in answers else "closed form"

    def null_moments(self, prior: Prior, n: int) -> tuple[float | None, float | None]:
        moments = [part.null_moments(prior, n) for part in self._each()]
        if len(moments) == 1:
            return moments[0]
        means = [mean for mean, _ in moments if mean is not None]
        return (sum(means) if len(means) == len(moments) else None), None  # the parts are correlated

    @property
    def null_rate(self) -> float:
        return min(part.null_rate for part in self._each())

    def biased(self) -> Divergence:
        return DivergenceSum(*(part.biased() for part in self._each()))

    def _each(self) -> tuple[Divergence, ...]:
        return tuple(part for part in self.parts if isinstance(part, Divergence))

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.parts))


class Weighted(Divergence):
    """``weight * divergence``, what ``*`` builds.

    Args:
        weight: finite and not negative: a negative weight would reward the mismatch.
        divergence: what is weighted. A weighted one is not nested but multiplied out.

    Raises:
        ConfigError: the weight is negative or not finite.

    Example:
        >>> from lather.divergences import Energy
        >>> 2 * (3 * Energy())
        6.0 * Energy()
    """

    summary: ClassVar[str] = "a divergence times a weight"

    def __init__(self, weight: float | int, divergence: Divergence) -> None:
        super().__init__()
        if not (math.isfinite(weight) and weight >= 0):
            raise ConfigError(
                f"the weight of {divergence!r} must be finite and at least 0, got {weight!r}; a negative weight would "
                "drive the latents away from the prior"
            )
        inner = divergence
        if isinstance(inner, Weighted):
            weight, inner = weight * inner.weight, inner.divergence
            self.arguments = {"weight": weight, "divergence": inner}
        self.weight: float = float(weight)
        self.divergence: Divergence = inner

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        return self.weight * self.divergence.estimate(z, prior, generator)

    def check(self, prior: Prior) -> None:
        self.divergence.check(prior)

    def needs(self, prior: Prior) -> str:
        return self.divergence.needs(prior)

    def null_moments(self, prior: Prior, n: int) -> tuple[float | None, float | None]:
        mean, std = self.divergence.null_moments(prior, n)
        return (None if mean is None else self.weight * mean), (None if std is None else self.weight * std)

    @property
    def null_rate(self) -> float:
        return self.divergence.null_rate

    def biased(self) -> Divergence:
        return Weighted(self.weight, self.divergence.biased())

    def __repr__(self) -> str:
        inner = repr(self.divergence)
        return f"{self.weight!r} * {f'({inner})' if isinstance(self.divergence, DivergenceSum) else inner}"


class Log(Divergence):
    """Logarithm of the non-negative form of a divergence, what ``.log()`` builds.

    An unbiased estimate may be negative, so the logarithm is that of ``divergence.biased()``. Its gradient is
    the *relative* gradient, so one weight serves all scales of the divergence: the choice of the Cramér–Wold
    autoencoder. Value and gradient stay finite where the divergence itself underflows.

    Args:
        divergence: anything with a non-negative form.

    Raises:
        ConfigError: there is no such form.

    Example:
        >>> from lather.divergences import CramerWold
        >>> CramerWold().log()
        CramerWold(unbiased=False).log()
    """

    summary: ClassVar[str] = "logarithm of a divergence"

    def __init__(self, divergence: Divergence) -> None:
        super().__init__()
        self.divergence = divergence.biased()
        self.arguments = {"divergence": self.divergence}

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        value = self.divergence.estimate(z, prior, generator)
        return value.clamp_min(torch.finfo(value.dtype).tiny).log()

    def check(self, prior: Prior) -> None:
        self.divergence.check(prior)

    def needs(self, prior: Prior) -> str:
        return self.divergence.needs(prior)

    @property
    def null_rate(self) -> float:
        return 0.0

    def biased(self) -> Divergence:
        raise ConfigError(f"{self!r} may have either sign, so it has no non-negative form and no logarithm")

    def __repr__(self) -> str:
        inner = repr(self.divergence)
        bare = not isinstance(self.divergence, (DivergenceSum, Weighted))
        return f"{inner if bare else f'({inner})'}.log()"
