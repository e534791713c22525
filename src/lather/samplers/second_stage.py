"""A second autoencoder on the latents of the first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import softplus

from lather.errors import ConfigError
from lather.priors import DelegatedDistribution, Prior
from lather.samplers.descent import OnStep, descend
from lather.samplers.sample import parted, standardised

__all__ = ["SecondStage", "fit_second_stage"]

_DRAWS = 64  # importance samples behind a log density
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class SecondStage(Prior):
    r"""p(z) = ∫ N(z; m + s f(u), (sγ)² I) N(u; 0, I) du: what a small VAE with as many latents u as z has learned.

    Drawing is exact: u ~ N(0, I), then the decoder's normal. ``log_prob`` is a *lower bound*, the importance-weighted
    one of 64 draws u from the small VAE's own posterior, log 1/64 Σ p(z, u_i)/q(u_i|z) (Burda, Grosse, Salakhutdinov
    2016, arXiv:1509.00519), with noise that is fixed for each place in ``z``, so that equal batches give equal values.

    Reference: Dai, Wipf, *Diagnosing and Enhancing VAE Models*, ICLR 2019, arXiv:1903.05789.

    Args:
        d: number of latent dimensions of z, and of u.
        hidden: widths of the two networks' hidden layers.
        seed: of the initial weights.

    Raises:
        ConfigError: no dimension, or a width that is not positive.
    """

    summary: ClassVar[str] = "a small VAE fitted to the latents (two-stage VAE); its density is a lower bound"
    shift: Tensor
    scale: Tensor

    def __init__(self, d: int, *, hidden: Sequence[int] = (128, 128), seed: int = 0) -> None:
        super().__init__()
        if d < 1 or not hidden or min(hidden) < 1:
            raise ConfigError(f"a second stage needs d ≥ 1 and positive widths, got d={d} and {tuple(hidden)}")
        self.d = d
        self.register_buffer("shift", torch.zeros(d))
        self.register_buffer("scale", torch.ones(d))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = _perceptron(d, hidden, 2 * d)
            self.decoder = _perceptron(d, hidden, d)
        self.log_gamma = nn.Parameter(torch.tensor(math.log(0.1)))  # from 1, the start would be a collapsed one
        self.requires_grad_(False)

    def forward(self) -> Distribution:
        return DelegatedDistribution(self)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        like = self.like
        u, noise = torch.randn(2, n, self.d, generator=generator, device=like.device, dtype=like.dtype)
        return self.shift + self.scale * (self.decoder(u) + self.log_gamma.exp() * noise)

    def log_prob(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        values = (z.to(self.like) - self.shift) / self.scale
        fixed = torch.Generator(device=values.device).manual_seed(0)
        bound = torch.stack([self.bound(values, fixed) for _ in range(_DRAWS)]).logsumexp(0) - math.log(_DRAWS)
        return (bound - self.scale.log().sum()).to(z.dtype)

    def bound(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """log p(x, u) − log q(u|x) of standardised ``x`` (..., d) for one draw u, in nats: in the mean, the ELBO."""
        mean, spread = self.encoder(x).chunk(2, dim=-1)
        std = softplus(spread) + 1e-4
        noise = torch.randn(x[..., : self.d].shape, generator=generator, device=x.device, dtype=x.dtype)
        u = mean + std * noise
        error = (x - self.decoder(u)) * (-self.log_gamma).exp()
        log_joint = -0.5 * (error.square() + u.square()) - self.log_gamma - 2 * _HALF_LOG_2PI
        log_q = -0.5 * noise.square() - std.log() - _HALF_LOG_2PI
        return (log_joint - log_q).sum(-1)


def fit_second_stage(
    z: Tensor,
    *,
    hidden: Sequence[int] = (128, 128),
    steps: int | None = None,
    batch: int = 256,
    lr: float = 3e-3,
    seed: int = 0,
    held_out: Tensor | None = None,
    on_step: OnStep | None = None,
) -> SecondStage:
    """A VAE of as many latents as ``z`` has dimensions, trained on ``z`` with a learned noise γ.

    Where the latents of a first VAE fill all d dimensions (so γ can go to 0 without leaving them), the paper shows
    that the second can reach their law exactly, which the first could not. Adam with a cosine schedule; of every
    twelfth of the steps, the weights are kept that a held-out tenth of the latents likes best. About 4 ms a step on one
    core.

    Args:
        z: latents of training data (draws from their posteriors), (n, d), n ≥ 20.
        hidden: widths of the hidden layers of its encoder and decoder.
        steps: of training; ``None`` for 40 passes over the latents, but at least 300 and at most 3000.
        batch: latents a step.
        lr: peak learning rate.
        seed: of weights, batches and noise.
        held_out: latents (m, d) that choose the weights; ``None`` for a tenth of ``z``, which is then not trained on.
        on_step: told the share of the work that is done.

    Returns:
        The prior, in the dtype and on the device of ``z``; it is not trained any further.

    Raises:
        ConfigError: settings out of range.
        ShapeError, DataError: latents that nothing can be fitted to.
    """
    if (steps is not None and steps < 1) or batch < 1 or not lr > 0:
        raise ConfigError(f"a second stage needs steps, batch ≥ 1 and lr > 0, got {steps}, {batch} and {lr}")
    steps = min(max(40 * len(z) // batch, 300), 3000) if steps is None else steps
    data = standardised(z, least=20, who="a second stage")
    generator = torch.Generator().manual_seed(seed)
    x, held = parted(data, held_out, generator)
    prior = SecondStage(z.shape[1], hidden=tuple(hidden), seed=seed).requires_grad_(True)
    prior = descend(
        prior,
        x,
        lambda prior, part, generator: -prior.bound(part, generator).mean(),
        lambda prior: _score(prior, held),
        steps=steps,
        batch=batch,
        lr=lr,
        generator=generator,
        on_step=on_step,
    )
    prior.shift.copy_(data.shift)
    prior.scale.copy_(data.scale)
    return prior.requires_grad_(False).to(z)


@torch.no_grad()
def _score(prior: SecondStage, held: Tensor) -> float:
    """Mean negative bound of the held-out latents, with the same noise every time."""
    fixed = torch.Generator().manual_seed(1)
    return float(-torch.stack([prior.bound(held, fixed).mean() for _ in range(4)]).mean())


def _perceptron(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    widths = (inputs, *hidden)
    net = nn.Sequential()
    for before, after in pairwise(widths):
        net.append(nn.Linear(before, after)).append(nn.SiLU())
    return net.append(nn.Linear(widths[-1], outputs))
