"""Max-sliced divergences: the worst direction instead of the average one."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.base import Divergence
from lather.divergences.first_order import with_gradient
from lather.divergences.sliced import Sliced, SliceStatistic
from lather.errors import ConfigError
from lather.priors.base import Prior

__all__ = ["MaxSliced"]


class MaxSliced(Divergence):
    r"""max_v of a one-dimensional statistic of the projections ⟨v, z⟩, by ascent on the sphere.

    The best of ``directions`` random unit vectors is improved by ``steps`` of projected gradient ascent, each turning
    it by at most ``angle``, half as much where that does not help; the value is that of the best direction met, so
    it is a lower bound of the maximum. Its gradient in z is taken at that direction (Danskin's theorem).

    It finds the one bad axis that averages over slices dilute by a factor d. *Biased*: a maximum over directions is
    above 0 for true prior samples, whatever the statistic, and the more the larger d/n: the direction overfits.
    Compare with values on simulated prior samples. Cost: a product n·d·k, then 2·(steps + 1) products n·d.

    Sees: the one bad axis that averages over slices dilute. Misses: what no projection shows; the maximum itself,
    where the ascent stops short. Null: above 0, and growing with d/n: the direction overfits. Cost: a product n·d·k
    and 2·(steps + 1) products n·d.

    Args:
        statistic: as for :class:`~lather.divergences.sliced.Sliced`.
        steps: of ascent; 0 takes the best random direction.
        directions: random ones to start from.
        angle: the first step, in radians.

    Raises:
        ConfigError: negative steps, no directions, or an angle that is not positive.

    References:
        Deshpande et al. (2019), Max-Sliced Wasserstein Distance and its use for GANs, arXiv:1904.05877.
        Kolouri, Nadjahi, Simsekli, Badeau, Rohde (2019), Generalized Sliced Wasserstein Distances, arXiv:1902.00434.

    Example:
        >>> from lather.divergences import Wasserstein1d
        >>> from lather.priors import StandardNormal
        >>> g = torch.Generator().manual_seed(0)
        >>> z = torch.randn(500, 16, generator=g)
        >>> z[:, 3] = z[:, 3] * 3
        >>> worst = MaxSliced(Wasserstein1d(), steps=30)(z, StandardNormal(16), generator=g)
        >>> bool(worst > 5 * Sliced(Wasserstein1d())(z, StandardNormal(16), generator=g))
        True
    """

    summary: ClassVar[str] = "a one-dimensional statistic in the direction where it is largest"

    def __init__(
        self, statistic: SliceStatistic, steps: int = 20, directions: int = 64, angle: float | int = 0.3
    ) -> None:
        super().__init__()
        if steps < 0 or directions < 1 or not 0 < angle < 1.6:
            raise ConfigError(
                f"MaxSliced needs steps ≥ 0, directions ≥ 1 and an angle between 0 and π/2, got steps={steps!r}, "
                f"directions={directions!r}, angle={angle!r}"
            )
        self.statistic = statistic
        self.steps = steps
        self.angle = float(angle)
        self.start = Sliced(statistic, directions)

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        starts = self.start.draw_directions(z, generator)
        draws: Tensor | None = None
        if self.needs(prior) == "prior samples":
            draws = prior.sample(2 * len(z), generator=generator).detach().to(z)
        fixed = z.detach()
        with torch.no_grad():
            values = self._along(starts, fixed, prior, draws)
        best, first = values.max(0)
        v = starts.index_select(0, first[None])[0]
        # all without asking which way it went: on an accelerator the host would wait twice for each step
        angle = torch.full((), self.angle, dtype=torch.float64, device=z.device)
        for _ in range(self.steps):
            slope = self._gradient(v, fixed, prior, draws)
            tangent = slope - (slope @ v) * v
            length = tangent.norm()
            turn = angle.to(v.dtype)
            moved = turn.cos() * v + turn.sin() * tangent / length
            moved = moved / moved.norm()
            with torch.no_grad():
                value = self._along(moved[None], fixed, prior, draws)[0]
            better = value > best  # not where there is no slope and ``moved`` is NaN
            v, best = torch.where(better, moved, v), torch.where(better, value, best)
            angle = torch.where(better, (1.5 * angle).clamp_max(self.angle), angle / 2)
        if not z.requires_grad:
            return best
        with torch.enable_grad():
            inner = fixed.requires_grad_()
            value = self._along(v[None], inner, prior, draws)[0]
            (gradient,) = torch.autograd.grad(value, inner)
        return with_gradient(z, value.detach(), gradient)

    def check(self, prior: Prior) -> None:
        self.start.check(prior)

    def needs(self, prior: Prior) -> str:
        return self.start.needs(prior)

    @property
    def null_rate(self) -> float:
        return self.statistic.null_rate

    def biased(self) -> Divergence:
        return MaxSliced(self.statistic.biased(), self.steps, self.start.count, self.angle)

    def _along(self, v: Tensor, z: Tensor, prior: Prior, draws: Tensor | None) -> Tensor:
        return self.start.each(v, z, prior, draws)

    def _gradient(self, v: Tensor, z: Tensor, prior: Prior, draws: Tensor | None) -> Tensor:
        with torch.enable_grad():
            free = v.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self._along(free[None], z, prior, draws)[0], free)
        return slope
