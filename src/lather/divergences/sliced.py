"""Sliced divergences: any one-dimensional statistic, averaged over directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import Function
from torch.distributions import Distribution

from lather.divergences.base import Divergence
from lather.divergences.empirical_law import Law
from lather.divergences.first_order import first_order
from lather.divergences.memory import halving
from lather.errors import CapabilityError, ConfigError
from lather.priors.base import Prior
from lather.spec import Spec

__all__ = ["SliceStatistic", "Sliced", "slice_laws"]


class SliceStatistic(Spec, nn.Module):
    """A statistic of one-dimensional samples, several at once: each row of ``x`` (k, n) is a sample of its own."""

    needs_law: ClassVar[bool] = False  #: whether it takes a distribution function in place of draws (``against_law``)

    def against_normal(self, x: Float[Tensor, "k n"]) -> Float[Tensor, "k"]:
        """Compare each row with N(0, 1)."""
        raise NotImplementedError

    def against_draws(self, x: Float[Tensor, "k n"], y: Float[Tensor, "k m"]) -> Float[Tensor, "k"]:
        """Compare each row with m = 2n draws from the law wanted."""
        raise NotImplementedError

    def against_law(self, x: Float[Tensor, "k n"], law: Law) -> Float[Tensor, "k"]:
        """Compare row j with the j-th of a batch of k laws; only where ``needs_law``."""
        raise NotImplementedError

    def by_slice(self, drawn: bool) -> bool:
        """Whether each row's number follows from that row alone; ``drawn``: compared with draws."""
        return True

    def centred(self, drawn: bool) -> bool:
        """Whether the expectation under the prior is exactly 0; ``drawn``: compared with draws."""
        return bool(self.arguments.get("unbiased", False))

    @property
    def null_rate(self) -> float:
        """r such that its fluctuations under the prior shrink like n^−r."""
        return 1.0

    def biased(self) -> SliceStatistic:
        """The same with ``unbiased=False``."""
        return type(self)(**{**self.arguments, "unbiased": False})


class Sliced(Divergence):
    r"""Mean over directions v of a one-dimensional statistic of the projections ⟨v, z⟩.

    Any direction of N(0, I) is N(0, 1), so the statistic is exact there; other priors are compared through 2n of
    their draws, projected on the same directions. Unbiased if the statistic is. Cost one matrix product n·d·k and
    k statistics.

    Sees: what its statistic sees, in every direction alike. Misses: a single bad axis, diluted by a factor d;
    dependence that no projection shows. Null: that of its statistic, with slicing noise. Cost: k sorts or sums of
    n, one product n·d·k.

    Args:
        statistic: :class:`~lather.divergences.wasserstein.Wasserstein1d` (sliced Wasserstein),
            :class:`~lather.divergences.epps_pulley.EppsPulley` (SIGReg),
            :class:`~lather.divergences.cramer.Cramer`, or one of :mod:`lather.divergences.edf`.
        directions: a number of uniformly random unit directions, drawn anew in each call from ``generator``; or a
            tensor (k, d) of unit rows, used as they are.
        orthonormal: draw the directions d at a time as the axes of a random rotation. Each is still uniform, so the
            expectation is the same, but they repeat each other less: less slicing noise, exactly none for what is
            quadratic in v. Costs a QR decomposition of d × d for every d directions.

    Raises:
        ConfigError: no directions, rows that are not of unit length, or fixed rows with ``orthonormal``.

    References:
        Kolouri, Pope, Martin, Rohde (2019), Sliced-Wasserstein Auto-Encoders, arXiv:1804.01947.
        Balestriero, LeCun (2025), LeJEPA (SIGReg), arXiv:2511.08544.
        Rowland et al. (2019), Orthogonal Estimation of Wasserstein Distances, arXiv:1903.03784.

    Example:
        >>> from lather.divergences import Wasserstein1d
        >>> from lather.priors import StandardNormal
        >>> swae = Sliced(Wasserstein1d(), directions=50)
        >>> g = torch.Generator().manual_seed(0)
        >>> bool(swae(torch.zeros(64, 8), StandardNormal(8), generator=g) == 1)
        True
    """

    summary: ClassVar[str] = "a one-dimensional statistic averaged over directions"
    fixed: Tensor | None

    def __init__(self, statistic: SliceStatistic, directions: int | Tensor = 256, orthonormal: bool = False) -> None:
        super().__init__()
        if orthonormal and not isinstance(directions, int):
            raise ConfigError("orthonormal directions are drawn, and these are given; leave one of the two out")
        self.statistic = statistic
        self.orthonormal = orthonormal
        self.count = directions if isinstance(directions, int) else len(directions)
        if self.count < 1:
            raise ConfigError(f"Sliced needs at least one direction, got directions={directions!r}")
        fixed = None if isinstance(directions, int) else directions.detach()
        if fixed is not None and (
            fixed.ndim != 2 or not torch.allclose(fixed.norm(dim=1), fixed.new_ones(()), atol=1e-4)
        ):
            raise ConfigError(
                f"directions must be a (k, d) tensor of unit rows, got shape {tuple(fixed.shape)} with row lengths up "
                f"to {float(fixed.norm(dim=-1).max()):.4g}; divide each row by its length"
            )
        self.register_buffer("fixed", fixed, persistent=False)

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        v = self.draw_directions(z, generator)
        draws: Tensor | None = None
        if self.needs(prior) == "prior samples":
            draws = prior.sample(2 * len(z), generator=generator).detach().to(z)
        learned = any(parameter.requires_grad for parameter in prior.parameters())
        whole = learned or not self.statistic.by_slice(draws is not None)
        most = 0 if whole else (self.count - 1).bit_length()

        def work(times: int) -> Tensor:
            if not times:
                return self.each(v, z, prior, draws).mean()
            parts = [part for part in v.tensor_split(2**times) if len(part)]
            total: Tensor = _SumOfParts.apply(z, lambda z, part: self.each(part, z, prior, draws).sum(), parts)
            return total / len(v)

        return halving("all slices at once", most, z.device, work)

    def each(
        self, v: Float[Tensor, "k d"], z: Float[Tensor, "n d"], prior: Prior, draws: Float[Tensor, "m d"] | None
    ) -> Float[Tensor, "k"]:
        """The statistic in each direction v, by ``draws`` from the prior where it :meth:`needs` them."""
        x = v @ z.T
        if prior.standard:
            return self.statistic.against_normal(x)
        if draws is not None:
            return self.statistic.against_draws(x, v @ draws.T)
        law = slice_laws(prior, v.double())
        assert law is not None, "check() has seen to it"
        return self.statistic.against_law(x, law)

    def check(self, prior: Prior) -> None:
        if self.fixed is not None and self.fixed.shape[1] != prior.d:
            raise CapabilityError(
                f"the fixed directions have d={self.fixed.shape[1]} but {prior!r} has d={prior.d}; use directions="
                f"{self.count} for random ones, or rows of length {prior.d}"
            )
        if self.statistic.needs_law and slice_laws(prior, torch.eye(prior.d, dtype=torch.float64)) is None:
            raise CapabilityError(
                f"{self.statistic!r} needs the distribution function of each slice, which {prior!r} does not know; use "
                "Sliced(Cramer()), Sliced(EppsPulley()) or Sliced(Wasserstein1d()), which take draws"
            )

    def needs(self, prior: Prior) -> str:
        return "closed form" if prior.standard or self.statistic.needs_law else "prior samples"

    def null_moments(self, prior: Prior, n: int) -> tuple[float | None, float | None]:
        return (0.0 if self.statistic.centred(self.needs(prior) == "prior samples") else None), None

    @property
    def null_rate(self) -> float:
        return self.statistic.null_rate

    def biased(self) -> Divergence:
        return Sliced(self.statistic.biased(), self.arguments["directions"], self.orthonormal)

    def draw_directions(self, z: Float[Tensor, "n d"], generator: torch.Generator | None) -> Float[Tensor, "k d"]:
        """The directions of this call, on the device and in the dtype of ``z``."""
        if self.fixed is not None:
            return self.fixed.to(z)
        d, device = z.shape[1], z.device if generator is None else generator.device
        if not self.orthonormal:
            v = torch.randn(self.count, d, generator=generator, device=device, dtype=torch.float32).to(z)
            return v / v.norm(dim=1, keepdim=True)
        blocks = -(-self.count // d)
        q, r = torch.linalg.qr(torch.randn(blocks, d, d, generator=generator, device=device, dtype=torch.float64))
        q = q * r.diagonal(dim1=1, dim2=2).sign()[:, None]  # so that q is uniform over all rotations
        return q.mT.reshape(-1, d)[: self.count].to(z)


class _SumOfParts(Function):
    """Σ_p f(z, p), its gradient made with each term, so that what a term keeps for it is gone before the next."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, term: Callable[[Tensor, Tensor], Tensor], parts: list[Tensor]) -> Tensor:
        total, gradient = z.new_zeros(()), torch.zeros_like(z)
        for part in parts:
            with torch.enable_grad():
                x = z.detach().requires_grad_(ctx.needs_input_grad[0])
                value = term(x, part)
            total += value.detach()
            if ctx.needs_input_grad[0]:
                gradient += torch.autograd.grad(value, x)[0]
        ctx.save_for_backward(z, gradient)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        z, gradient = ctx.saved_tensors
        return first_order(grad * gradient, z), None, None


def slice_laws(prior: Prior, v: Float[Tensor, "k d"]) -> Law | None:
    """Laws of the prior along the rows of v, ``None`` where they or their distribution functions are not known."""
    law = prior.along(v)
    return None if law is None or type(law).cdf is Distribution.cdf else law
