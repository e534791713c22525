"""Posteriors of any shape: a Gaussian sent through inverse autoregressive flows."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lather.errors import CapabilityError, ConfigError
from lather.models.posteriors.base import Posterior, soft_clamp
from lather.models.posteriors.distributions import DiagonalNormal, LatentDistribution, standard_noise
from lather.models.posteriors.masked import MaskedNet
from lather.priors import Prior

__all__ = ["FlowLaw", "FlowPosterior", "GatedStep"]


class FlowPosterior(Posterior):
    r"""N(μ, diag σ²) sent through T inverse autoregressive flows, each of which sees a context h of the datum.

    .. math:: z_0 = μ + σ ε, \qquad z_t = g_t z_{t−1} + (1 − g_t) m_t, \qquad
        \log q(z_T|x) = \log N(z_0; μ, σ²) − \sum_t \sum_j \log g_{tj}

    (m_t, g_t = sigmoid) come from a masked network of the coordinates before, in turn from the first and from the
    last on, so that q may be curved, skewed and have any correlations. The encoder returns μ, log σ² and h. A flow
    starts as nearly the identity (g = .88, m = 0): training starts from a diagonal Gaussian.

    Drawing, with the density of what was drawn, is one pass of the T networks. The density of any other point costs d
    passes of each (so a ``VampPrior``, which asks for it, is slow). There is no closed-form KL: it is
    estimated without bias from the draw. Nor have mean and standard deviations a closed form: they are those of 128 or
    more fixed draws whose noise has exactly mean 0 and covariance I. They are exact while the flow is linear, always
    the same for the same datum, and off by up to about a tenth of a standard deviation where q is strongly bent.

    Reference: Kingma, Salimans, Jozefowicz, Chen, Sutskever, Welling, *Improved Variational Inference with Inverse
    Autoregressive Flow*, 2016, arXiv:1606.04934.

    Args:
        d: number of latent dimensions.
        transforms: T, at least 1.
        hidden: widths of each transform's network.
        context: numbers in h.
        min_log_variance: lower end for log σ², as in :class:`~lather.models.DiagonalGaussian`.
        max_log_variance: upper end for log σ².
        seed: of the initial weights.

    Raises:
        ConfigError: settings out of range.
        CapabilityError: latents that are maps, or not of d numbers.

    Example:
        >>> posterior = FlowPosterior(2, transforms=1, context=3)
        >>> posterior.output_shape((2,))
        (7,)
        >>> q = posterior(torch.zeros(5, 7), (2,))
        >>> z = q.draw()
        >>> q.log_prob(z).shape  # of the very tensor that was drawn: no inversion
        torch.Size([5])
    """

    summary: ClassVar[str] = "a Gaussian bent by inverse autoregressive flows (IAF): any shape, for each datum"
    freezes: ClassVar[bool] = False

    def __init__(
        self,
        d: int,
        *,
        transforms: int = 2,
        hidden: Sequence[int] = (64,),
        context: int = 32,
        min_log_variance: float = -14.0,
        max_log_variance: float = 6.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if d < 1 or transforms < 1 or context < 1 or not hidden or min(hidden) < 1:
            raise ConfigError(
                "a flow posterior needs d, transforms, context and all hidden widths ≥ 1, got "
                f"d={d}, transforms={transforms}, context={context}, hidden={tuple(hidden)}"
            )
        if not -math.inf < min_log_variance < 0 < max_log_variance < math.inf:
            raise ConfigError(
                f"the limits of the log variance must enclose 0 (σ = 1), got ({min_log_variance}, {max_log_variance})"
            )
        self.d, self.context, self.limits = d, context, (min_log_variance, max_log_variance)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.steps = nn.ModuleList(
                GatedStep(MaskedNet(d, context, hidden, 2, reverse=bool(t % 2))) for t in range(transforms)
            )

    def output_shape(self, latent_shape: Sequence[int]) -> tuple[int, ...]:
        shape = super().output_shape(latent_shape)
        if shape != (self.d,):
            raise CapabilityError(
                f"{self!r} serves flat latents of {self.d} numbers, and was asked for latents of shape {shape}; use "
                + ("DiagonalGaussian() for maps" if len(shape) > 1 else f"FlowPosterior({shape[0]})")
            )
        return (2 * self.d + self.context,)

    def distribution(self, h: Tensor, latent_shape: tuple[int, ...]) -> LatentDistribution:
        mean, raw, context = h.split([self.d, self.d, self.context], dim=1)
        return FlowLaw(DiagonalNormal(mean, soft_clamp(raw, *self.limits)), context, list(self.steps))  # type: ignore[arg-type]


class GatedStep(nn.Module):
    """One inverse autoregressive flow, z' = g z + (1 − g) m.

    Args:
        net: gives m and the logit of g − 2 for each coordinate, from those before it.
    """

    def __init__(self, net: MaskedNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, z: Float[Tensor, "*n b d"], h: Float[Tensor, "b c"]
    ) -> tuple[Float[Tensor, "*n b d"], Float[Tensor, "*n b"]]:
        """z' and log |∂z'/∂z|."""
        shift, logit = self._read(z, h)
        log_gate = nn.functional.logsigmoid(logit)
        gate = log_gate.exp()
        return gate * z + (1 - gate) * shift, log_gate.sum(-1)

    def inverse(self, y: Float[Tensor, "*n b d"], h: Float[Tensor, "b c"]) -> Float[Tensor, "*n b d"]:
        """z from z', one more coordinate right with each of d passes."""
        z = torch.zeros_like(y)
        for _ in range(y.shape[-1]):
            shift, logit = self._read(z, h)
            gate = logit.sigmoid()
            z = (y - (1 - gate) * shift) / gate
        return z

    def _read(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        shift, logit = self.net(z, h).unbind(-2)
        return shift, 2 + soft_clamp(logit, -6.0, 6.0)  # g between .018 and .9997


class FlowLaw(LatentDistribution):
    """What :class:`FlowPosterior` makes of an encoder's output.

    It remembers its last draw: ``log_prob`` of that very tensor is known from drawing it.

    Args:
        start: the law of z_0.
        context: h, shape (b, c).
        steps: the flows, in the order of drawing.
    """

    def __init__(self, start: DiagonalNormal, context: Float[Tensor, "b c"], steps: Sequence[GatedStep]) -> None:
        super().__init__(start.location)
        self.start, self.context, self.steps = start, context, steps
        self._last: tuple[Tensor, Tensor] | None = None

    @property
    def mean(self) -> Tensor:
        return self._moments[0]

    @property
    def stddev(self) -> Tensor:
        return self._moments[1]

    def draw(self, generator: torch.Generator | None = None) -> Float[Tensor, "b d"]:
        z, log_prob = self._push(standard_noise(self.location, self.location.shape, generator))
        self._last = z, log_prob
        return z

    def draws(
        self, k: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "k b d"], Float[Tensor, "k b"]]:
        return self._push(standard_noise(self.location, (k, *self.location.shape), generator))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self._push(standard_noise(self.location, (*sample_shape, *self.location.shape), None))[0]

    def log_prob(self, value: Float[Tensor, "*n b d"]) -> Float[Tensor, "*n b"]:
        """Log density in nats: at once for the tensor that :meth:`draw` returned last, else by d passes a flow."""
        if self._last is not None and value is self._last[0]:
            return self._last[1]
        total = value.new_zeros(value.shape[:-1])
        for step in reversed(self.steps):
            value = step.inverse(value, self.context)
            total = total - step(value, self.context)[1]
        return total + self.start.log_prob(value)

    def kl(self, prior: Prior) -> None:
        return None

    def _push(self, noise: Float[Tensor, "*n b d"]) -> tuple[Float[Tensor, "*n b d"], Float[Tensor, "*n b"]]:
        """Latents from standard normal noise, and their log densities."""
        z = self.start.location + self.start.stddev * noise
        log_prob = self.start.log_prob(z)
        for step in self.steps:
            z, log_slope = step(z, self.context)
            log_prob = log_prob - log_slope
        return z, log_prob

    @functools.cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        b, d = self.location.shape
        z, _ = self._push(_even_noise(d).to(self.location).unsqueeze(1).expand(-1, b, d))
        return z.mean(0), z.std(0, correction=0)


@functools.lru_cache(maxsize=16)
def _even_noise(d: int) -> Tensor:
    """Noise of mean 0 and covariance I, exactly: draws with their mirror images, whitened; (max(128, 4 d), d)."""
    half = torch.randn(max(64, 2 * d), d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    factor = torch.linalg.cholesky(half.T @ half / len(half))
    half = torch.linalg.solve_triangular(factor, half.T, upper=False).T
    return torch.cat([half, -half])
