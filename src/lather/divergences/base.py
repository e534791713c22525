"""What a divergence is: a batch of latents and a prior in, one differentiable number out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lather.errors import ConfigError, ShapeError
from lather.priors.base import Prior
from lather.spec import Spec

if TYPE_CHECKING:
    from lather.divergences.null import NullDistribution

__all__ = ["Divergence"]


class Divergence(Spec, nn.Module):
    """How far the law behind a batch of latents ``z`` (n, d) is from a prior, as a scalar to differentiate.

    Use it like any loss: ``divergence(z, prior)``. By default it is an unbiased estimate, so that its expectation
    under the prior is exactly 0 and it does not shrink the latents at small batches; such an estimate may be
    slightly negative. Exceptions say so: RadiusCDF and DistanceCDF have no unbiased form, Wasserstein1d(p=1) is
    centred but still scores best for latents shrunk a little (to .97 at n = 64), and Wasserstein1d(p=2) against
    draws is unbiased up to the ratio in its scale, from n = 16 or so.

    It is never multiplied by n, and it is never noisier than it must be: where the prior allows, the prior's
    side is a closed form, otherwise it is a fresh sample of n draws from ``generator``.

    Gradients flow to ``z`` alone: the draws from a prior are constants. Half precision (and autocast) is
    computed in float32; float32 and float64 are returned as they came.

    Divergences add and scale: ``0.5 * Energy() + MMD()``; ``divergence.log()`` is the logarithm of the
    non-negative form. A subclass implements :meth:`estimate` and :meth:`needs`, and :meth:`check` where some
    priors are out of its reach.
    """

    summary: ClassVar[str] = ""  #: one line for ``lather divergences``

    def forward(self, z: Tensor, prior: Prior, *, generator: torch.Generator | None = None) -> Float[Tensor, ""]:
        """The estimate for latents ``z`` (n, d), n ≥ 2, d that of the prior.

        Args:
            z: floating-point latents, shape (n, d), one row a sample. Values are not searched for NaN.
            prior: what they are compared with.
            generator: source of directions and prior draws, where the method needs them.

        Raises:
            ShapeError: ``z`` is not a floating (n, d) matrix with n ≥ 2 and the prior's d.
            CapabilityError: the method cannot be compared with this prior.
        """
        self._inspect(z, prior)
        self.check(prior)
        dtype = z.dtype if z.dtype in (torch.float32, torch.float64) else torch.float32
        with torch.autocast(z.device.type, enabled=False):
            return self.estimate(z.to(dtype), prior, generator).to(dtype)

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        """The method itself; ``z`` is float32 or float64, of the right shape, and the prior has passed ``check``."""
        raise NotImplementedError

    def check(self, prior: Prior) -> None:
        """Raise :class:`~lather.errors.CapabilityError`, naming what would work, if ``prior`` is out of reach."""

    def needs(self, prior: Prior) -> str:
        """What the prior's side is made of: ``"closed form"`` or ``"prior samples"``."""
        raise NotImplementedError

    def biased(self) -> Divergence:
        """The same in its non-negative form (``unbiased=False``), itself if it already is.

        Raises:
            ConfigError: there is no such form.
        """
        if "unbiased" not in self.arguments:
            raise ConfigError(
                f"{self!r} has no non-negative form, so it has no logarithm; MMD, Energy, CramerWold, RadiusCDF and "
                "Sliced(...) have one"
            )
        return type(self)(**{**self.arguments, "unbiased": False})

    def log(self) -> Divergence:
        """The logarithm of the non-negative form; see :class:`~lather.divergences.algebra.Log`."""
        from lather.divergences.algebra import Log

        return Log(self)

    # what true prior samples score: see lather/divergences/null.py -----------------------------------------------
    def null(
        self,
        prior: Prior,
        n: int,
        *,
        draws: int | None = None,
        seed: int = 0,
        cache: bool = True,
        progress: bool | None = None,
    ) -> NullDistribution:
        """The law of this estimate for n true draws from ``prior``: what a raw value is to be compared with.

        Simulated from seeded prior samples; mean and standard deviation are replaced by exact ones where those are
        known. Directions and prior draws that the method takes at random are drawn anew for each of them; directions
        that were given stay as they are. Values are kept on disk (:func:`~lather.divergences.null_cache.cache_folder`)
        under a key of all they depend on. A composition of divergences is calibrated like any other.

        Args:
            prior: the law of the samples.
            n: latents in each, at least 2; the null of a training batch is that of its size.
            draws: how many samples, at least 19; ``None`` is 999, so that p-values go down to 0.001.
            seed: of the simulation.
            cache: whether to look in, and add to, the cache.
            progress: ``True`` shows a bar, ``False`` none; ``None`` one after 2 s where stderr is a terminal.

        Raises:
            CapabilityError: the method cannot be compared with this prior.
            ConfigError: n or draws are too small, or the estimate is NaN on prior samples.
            ShapeError: the method needs more samples than n.

        Example:
            >>> from lather.divergences import Energy
            >>> from lather.priors import StandardNormal
            >>> null = Energy().null(StandardNormal(2), 50, draws=199, cache=False)
            >>> null.mean, round(null.std, 4), null.exact
            (0.0, 0.0193, ('mean', 'std'))
        """
        from lather.divergences.null import null_distribution

        return null_distribution(self, prior, n, draws=draws, seed=seed, cache=cache, progress=progress)

    def null_moments(self, prior: Prior, n: int) -> tuple[float | None, float | None]:
        """Exact mean and standard deviation of the estimate for n prior draws; ``None`` where no formula is known."""
        return None, None

    @property
    def null_rate(self) -> float:
        """r such that the null's standard deviation shrinks like n^−r.

        1 for statistics that are quadratic in the empirical law (kernel distances, W₂², moments), ½ for those that are
        linear in it (Kolmogorov–Smirnov, W₁), 0 for logarithms, whose fluctuations do not shrink.
        """
        return 1.0

    def __add__(self, other: Any) -> Divergence:
        from lather.divergences.algebra import DivergenceSum

        if not isinstance(other, Divergence):
            return NotImplemented
        parts = [part for side in (self, other) for part in getattr(side, "parts", [side])]
        return DivergenceSum(*parts)

    def __radd__(self, other: Any) -> Divergence:
        return self if isinstance(other, int) and other == 0 else NotImplemented  # so that sum([...]) works

    def __mul__(self, weight: Any) -> Divergence:
        from lather.divergences.algebra import Weighted

        if isinstance(weight, bool) or not isinstance(weight, (int, float)):
            return NotImplemented
        return Weighted(float(weight), self)

    __rmul__ = __mul__

    def _inspect(self, z: Tensor, prior: Prior) -> None:
        name = type(self).__name__
        if z.ndim != 2:
            hint = "flatten spatial latents with z.flatten(1)" if z.ndim > 2 else "add the missing axis"
            raise ShapeError(f"{name} compares latents of shape (n, d), got {tuple(z.shape)}; {hint}")
        if not z.is_floating_point():
            raise ShapeError(f"{name} needs floating-point latents, got {z.dtype}; convert them with z.float()")
        n, d = z.shape
        if d != prior.d:
            swap = "; z looks transposed, samples go in rows" if n == prior.d else ""
            raise ShapeError(f"{name}: latents have d={d} but {prior!r} has d={prior.d}{swap}")
        if n < 2:
            raise ShapeError(
                f"{name} compares a batch with a distribution and needs n ≥ 2 samples, got {n}; use a larger batch "
                "(or drop_last=True in the data loader)"
            )
