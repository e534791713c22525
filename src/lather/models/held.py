"""A divergence held at the level of the prior's own noise: training without a weight to choose."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from lather.divergences import Divergence
from lather.errors import CapabilityError, ConfigError
from lather.models.capabilities import Parts
from lather.models.multiplier import Multiplier
from lather.models.objective import Term
from lather.models.step import Step
from lather.priors import Prior

__all__ = ["Held"]


class Held(Term):
    r"""A divergence that is held at a level, in place of being weighed: ``Match(d).to_noise_floor()`` makes one.

    The objective becomes: minimise everything else subject to z ≤ level, where

        z = (E D(batch, p) − E D₀) / sd D₀,   D₀ the divergence of as many true prior samples,

    is how far the latents' divergence stands above the noise floor, in standard deviations of that noise. z = 0 means
    latents that this divergence cannot tell from the prior at all. A :class:`~lather.models.multiplier.Multiplier`
    raises and lowers the weight to hold the level, by what training batches show and, after each validation, what
    held-out ones show beyond that. Where the level is out of reach the weight stops where raising it no longer
    helps; the report says so, in words.

    The term's value is the divergence itself; the weight and z are its readings.

    Use a divergence whose gradient reaches latents wherever they are, such as ``Energy()`` (the pull on an outlier is
    bounded and never vanishes) or sliced Wasserstein. Those with Gaussian kernels lose sight of latents that are far
    out; hold one of them only together with ``Energy()``. Several may be held at once, each with its own weight.

    References: Platt, Barr, *Constrained differential optimization*, 1988; Rezende, Viola, *Taming VAEs*, 2018,
    arXiv:1810.00597 (which holds the reconstruction instead); He et al., *GoFAE*, ICLR 2023 (p-values of a goodness
    of fit test).

    Args:
        divergence: what is held; unbiased by default.
        z: the level, in standard deviations of the null of ``samples`` prior samples.
        samples: how many latents the level is meant for; default as many as a batch has. More is stricter: the noise
            shrinks like 1/samples (for most divergences), and with it the difference that z allows.
        detection_size: the level at which a test at level .05 needs so many latents to see the difference every other
            time (n*); instead of ``z`` and ``samples``.
        start: weight to begin with; default a hundredth of the number of values in a sample, as reconstruction sums
            over these.

    Example:
        >>> from lather import Energy, Match, Reconstruction
        >>> Reconstruction() + Match(Energy()).to_noise_floor(z=1.0)
        Reconstruction() + Match(Energy()).to_noise_floor(z=1.0)
    """

    key: ClassVar[str] = "match"
    parts = "latents"
    batch: Tensor

    def __init__(
        self,
        divergence: Divergence,
        *,
        z: float = 2.0,
        samples: int | None = None,
        detection_size: int | None = None,
        start: float | None = None,
    ) -> None:
        super().__init__()
        if not 0 < z < math.inf:
            raise ConfigError(f"a divergence is held at a level z above 0, got {z}; 2 is mild, 0.5 strict")
        for name, value in {"samples": samples, "detection_size": detection_size}.items():
            if value is not None and value < 2:
                raise ConfigError(f"{name} counts latents and must be at least 2, got {value}")
        if samples is not None and detection_size is not None:
            raise ConfigError("give samples= (with z=) or detection_size=, not both: each sets the level by itself")
        if start is not None and not 0 < start < math.inf:
            raise ConfigError(f"the multiplier starts at a weight above 0, got start={start}")
        if divergence.null_rate <= 0:
            raise ConfigError(
                f"{divergence!r} is noisy by as much at every sample size, so it has no floor to be held at; hold the "
                "divergence itself, without .log()"
            )
        self.divergence = divergence
        self.z, self.samples, self.detection_size, self.first = z, samples, detection_size, start
        self.multiplier = Multiplier(z)
        self._nulls: dict[int, tuple[float, float]] = {}
        self._latest: Tensor | None = None
        self._batch = 0  # latents in a training batch; and the same where averages of the model see it
        self.register_buffer("batch", torch.zeros((), dtype=torch.long), persistent=False)

    def forward(self, step: Step) -> Tensor:
        value: Tensor = self.divergence(step.matched, step.prior, generator=step.generator)
        n = len(step.matched)
        if self.training and torch.is_grad_enabled():
            if not self.multiplier.weight:
                self.multiplier.start(self.first if self.first is not None else step.x[0].numel() / 100)
            if n != self._batch:
                self._batch, self.multiplier.target = n, self.level(step.prior, n)
                self.batch.fill_(n)
            mean, deviation = self._null(step.prior, n)
            self._latest = (value.detach().double() - mean) / deviation
            if step.gather is not None:  # the same number to the last bit, so that all processes decide alike
                self._latest = step.gather(self._latest.reshape(1, 1)).mean()
            self.multiplier.update(self._latest)
        else:
            mean, deviation = self._null(step.prior, n)[0], self._null(step.prior, int(self.batch) or n)[1]
            self._latest = (value.detach().double() - mean) / deviation
        return value

    def held(self) -> Held | None:
        return self

    def log(self) -> Term:
        raise ConfigError(f"{self!r} has no logarithm: its multiplier has to see what it weighs; leave out .log()")

    def factor(self) -> Tensor | float:
        # the buffer is what averages of the model follow; reading it while training would keep a device waiting
        return self.multiplier.weight if self.training else float(self.multiplier.numbers[0])

    def readings(self) -> dict[str, Tensor]:
        """``weight``: the multiplier; ``z``: a running mean over training batches, or that of the batch evaluated."""
        assert self._latest is not None, "there are readings only after a step"
        weight, _, mean = self.multiplier.numbers[:3].clone()  # the buffer: averages of the model follow it
        return {"weight": weight, "z": mean if self.training else self._latest}

    def heed(self, validation: dict[str, float]) -> None:
        self.multiplier.heed(validation["z"])

    def level(self, prior: Prior, n: int) -> float:
        """The z at batches of ``n`` latents that is held: what is asked for, carried to that size."""
        z, samples = self.z, self.samples or n
        if self.detection_size is not None:
            null = self.divergence.null(prior, n)
            z, samples = null.zscore(null.quantile(0.95)), self.detection_size
        return z * (n / samples) ** self.divergence.null_rate

    def _null(self, prior: Prior, n: int) -> tuple[float, float]:
        if n not in self._nulls:
            null = self.divergence.null(prior, n)
            if not null.std > 0:
                raise ConfigError(
                    f"{self.divergence!r} scores {null.mean:.3g} for any {n} draws from {prior!r}, so it has no noise "
                    "to be held at; hold a divergence that varies"
                )
            self._nulls[n] = null.mean, null.std
        return self._nulls[n]

    def __repr__(self) -> str:
        if self.detection_size is not None:
            given = [str(self.detection_size)]
        else:
            given = [f"z={self.z:g}", *([f"samples={self.samples}"] if self.samples is not None else [])]
        given += [f"start={self.first:g}"] if self.first is not None else []
        how = "to_noise_floor" if self.detection_size is None else "to_detection_size"
        return f"Match({self.divergence!r}).{how}({', '.join(given)})"

    def check(self, parts: Parts) -> None:
        self.divergence.check(parts.prior)
        if parts.prior.learned:
            raise CapabilityError(
                f"{parts.prior!r} moves while it learns, and so does the noise floor; give the divergence a weight in "
                "place of to_noise_floor(), or use a prior that is not learned"
            )
