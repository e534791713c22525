"""The energy distance between latents and prior draws: one test for every prior and every kind of difference."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.carried import carried_null
from lather.auditing.pairs import null_row
from lather.auditing.row import Row
from lather.divergences.detection import DetectionSize
from lather.divergences.energy import Energy
from lather.priors.base import Prior

__all__ = ["energy_row", "sampler_row"]

_TITLE = "overall shape"
_MOST = 1_500  # the pooled sample's distances fill one matrix of 3000 × 3000
_SHUFFLES = 999
_SUMMED = 4_000  # latents where prior draws are not needed


def energy_row(z: Float[Tensor, "n d"], prior: Prior, *, generator: torch.Generator | None = None) -> Row:
    r"""E = 2 E‖z−y‖ − E‖z−z'‖ − E‖y−y'‖ for latents z and prior draws y.

    E is 0 only where both laws agree, whatever the prior; against N(0, I) it has less power than the ladder
    against a difference of one kind.

    Where the averages over the prior are known (N(0, I)), they are used, with up to 4000 latents: E is unbiased, its
    null is simulated once at 128 latents and carried to n, and n* = n (c − m)/(E − m) with the null's mean m and 95%
    quantile c. Elsewhere as many prior draws as latents, up to 1500 of each, are relabelled at random 999 times
    (add-one rule): exact at every n and d. That halves the power, and n* is for a sample compared with the prior
    itself, hence half as large: n* = ½ n (c − m)/(E − m).

    Reference: Székely, Rizzo, *Energy statistics: a class of statistics based on distances*, 2013,
    doi:10.1016/j.jspi.2013.03.018.

    Args:
        z: latents in random order, float64.
        prior: what they are compared with.
        generator: source of prior draws and relabellings.
    """
    words = (
        "Latents and prior draws are spread differently: a latent's neighbours are more often other latents.",
        "Latents and prior draws mix: neither has neighbours of its own kind more often than the other.",
        "Raise the weight of the matching term, or sample from what fits the latents (lather repair).",
    )
    energy = Energy()
    if energy.needs(prior) == "closed form":
        z = z[:_SUMMED]
        value = float(energy(z.to(prior.like.device), prior))
        return null_row("energy", _TITLE, value, carried_null(energy, prior, len(z)), *words)
    return _relabelled(z[:_MOST], prior, generator, words)


def _relabelled(z: Tensor, prior: Prior, generator: torch.Generator | None, words: tuple[str, str, str]) -> Row:
    n = len(z)
    y = prior.sample(n, generator=generator).detach().cpu().to(z)
    pooled = torch.cat([z, y])
    distances = torch.cdist(pooled, pooled)
    # centring changes no contrast whose weights sum to 0, and lets float32 do
    distances = (distances - distances.mean(0) - distances.mean(1, keepdim=True) + distances.mean()).float()
    sign = torch.cat([z.new_ones(n), -z.new_ones(n)]).float()
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device if generator else None))
    own = torch.Generator().manual_seed(seed)
    labels = torch.stack([sign, *(sign[torch.randperm(2 * n, generator=own)] for _ in range(_SHUFFLES))])
    values = -((labels @ distances) * labels).sum(1).double() / n**2
    effect, null = float(values[0]), values[1:]
    p = (1 + int((null >= effect).sum())) / (1 + _SHUFFLES)
    mean, deviation, quantile = float(null.mean()), float(null.std()), float(null.quantile(0.95))
    return Row(
        "energy",
        _TITLE,
        effect=effect - mean,
        null=quantile - mean,
        z=(effect - mean) / deviation,
        p=p,
        p_is_bound=p <= 1 / (1 + _SHUFFLES),
        n_star=_detection(effect - mean, quantile - mean, p, n),
        details={"n": n, "draws": n, "null_mean": mean},
        meaning=words[0],
        all_clear=words[1],
        remedy=words[2],
    )


def sampler_row(z: Float[Tensor, "n d"], sampler: Prior, *, generator: torch.Generator | None = None) -> Row:
    """:func:`energy_row` against what was fitted to the latents, under its own key, ``energy_sampler``."""
    name = f"fitted {type(sampler).__name__}"
    return replace(
        energy_row(z, sampler, generator=generator),
        key="energy_sampler",
        title=f"against the {name}",
        meaning=f"Held-out latents and draws of the {name} are spread differently.",
        all_clear=f"Held-out latents and draws of the {name} mix.",
        remedy="Fit the sampler to more latents, or with more components.",
    )


def _detection(effect: float, critical: float, p: float, n: int) -> DetectionSize:
    if p > 0.05 or effect <= 0:
        return DetectionSize(math.inf, float(n), math.inf, n)
    size = max(2.0, n * critical / (2 * effect))
    # the estimate's error is near the null's spread where the effect is small, and small beside it elsewhere
    error = critical / 1.645 / effect
    return DetectionSize(size, size / (1 + 1.96 * error), size / (1 - 1.96 * error) if error < 0.5 else math.inf, n)
