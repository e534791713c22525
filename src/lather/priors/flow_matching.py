"""Flow-matching priors: N(0, I) carried along a learned velocity field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from lather.errors import ConfigError
from lather.priors.base import Prior
from lather.priors.delegated import DelegatedDistribution
from lather.priors.velocity import Velocity

__all__ = ["FlowMatching"]

_EXACT = 64  # dimensions up to which the divergence is exact; it costs d passes
_PROBES = 32  # of Hutchinson's estimate beyond
_ROWS = 512  # latents whose tangents are held at a time


class FlowMatching(Prior):
    r"""The law of x(1), where x(0) ~ N(0, I) and dx/dt = v(x, t) with a perceptron v.

    The density follows from the path back, log p(z) = log N(x(0); 0, I) − ∫₀¹ div v(x(t), t) dt. Both are integrated by
    the classical Runge–Kutta rule of fourth order in ``steps`` equal steps, four evaluations of v each. The divergence
    is exact up to d = 64. Beyond, it is Hutchinson's estimate from 32 random signs that are the same for every latent,
    so equal batches give equal values, and log p is unbiased over the choice of signs.

    Fitted by :func:`~lather.samplers.fit_flow_matching`; before that it is N(0, I) exactly.

    References: Lipman, Chen, Ben-Hamu, Nickel, Le, *Flow Matching for Generative Modeling*, 2023, arXiv:2210.02747;
    Liu, Gong, Liu, *Flow Straight and Fast*, 2023, arXiv:2209.03003; Hutchinson, 1990, doi:10.1080/03610919008812866.

    Args:
        d: number of latent dimensions, at least 1.
        hidden: widths of the perceptron.
        steps: of the solver.
        seed: of the initial weights.

    Raises:
        ConfigError: settings out of range.
    """

    summary: ClassVar[str] = "N(0, I) carried along a learned velocity field, fitted to latents"

    def __init__(self, d: int, *, hidden: Sequence[int] = (128, 128, 128), steps: int = 8, seed: int = 0) -> None:
        super().__init__()
        if d < 1 or steps < 1 or not hidden or min(hidden) < 1:
            raise ConfigError(
                f"a flow-matching prior needs d, steps ≥ 1 and positive widths, got d={d}, steps={steps} and "
                f"{tuple(hidden)}"
            )
        self.d, self.steps = d, steps
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.velocity = Velocity(d, tuple(hidden))
        self.requires_grad_(False)

    def forward(self) -> Distribution:
        return DelegatedDistribution(self)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        like = self.like
        x = torch.randn(n, self.d, generator=generator, device=like.device, dtype=like.dtype)
        step = 1 / self.steps
        for i in range(self.steps):
            x = x + step * self._average(x, i * step, step)
        return x

    def log_prob(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Log density in nats; differentiable in ``z``."""
        flat = z.reshape(-1, self.d).to(self.like)
        found = [self._back(part) for part in flat.split(_ROWS)]
        return torch.cat(found).reshape(z.shape[:-1]).to(z.dtype) if found else z.sum(-1)

    def loss(self, x: Float[Tensor, "n d"], generator: torch.Generator | None) -> Tensor:
        """mean ‖v(x(t), t) − (x − x(0))‖² on straight lines from x(0) ~ N(0, I) at uniform times: what is minimised."""
        start = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        t = torch.rand(len(x), 1, generator=generator, device=x.device, dtype=x.dtype)
        return (self.velocity((1 - t) * start + t * x, t) - (x - start)).square().sum(1).mean()

    def _average(self, x: Tensor, t: float, step: float) -> Tensor:
        """The mean velocity over one step, of order 4."""
        first = self._at(x, t)
        second = self._at(x + step / 2 * first, t + step / 2)
        third = self._at(x + step / 2 * second, t + step / 2)
        last = self._at(x + step * third, t + step)
        return (first + 2 * second + 2 * third + last) / 6

    def _at(self, x: Tensor, t: float) -> Tensor:
        return self.velocity(x, x.new_full((len(x), 1), t))

    def _back(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
        """log p at x: from t = 1 to 0, the divergence on the way summed by the same rule."""
        probes, step = self._probes(x), -1 / self.steps
        volume = x.new_zeros(len(x))
        for i in range(self.steps):
            t = 1 + i * step

            def at(y: Tensor, t: float) -> tuple[Tensor, Tensor]:
                return self.velocity.with_divergence(y, y.new_full((len(y), 1), t), probes)

            first, spread1 = at(x, t)
            second, spread2 = at(x + step / 2 * first, t + step / 2)
            third, spread3 = at(x + step / 2 * second, t + step / 2)
            last, spread4 = at(x + step * third, t + step)
            x = x + step / 6 * (first + 2 * second + 2 * third + last)
            volume = volume + step / 6 * (spread1 + 2 * spread2 + 2 * spread3 + spread4)
        return -0.5 * x.square().sum(1) - 0.5 * self.d * math.log(2 * math.pi) + volume

    def _probes(self, x: Tensor) -> Float[Tensor, "k n d"]:
        if self.d <= _EXACT:
            return torch.eye(self.d, device=x.device, dtype=x.dtype).unsqueeze(1).expand(-1, len(x), -1)
        fixed = torch.Generator().manual_seed(0)
        signs = torch.randint(0, 2, (_PROBES, 1, self.d), generator=fixed).to(x) * 2 - 1
        return (signs / math.sqrt(_PROBES)).expand(-1, len(x), -1)
