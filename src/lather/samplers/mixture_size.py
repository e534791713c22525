"""How many components a mixture of Gaussians should have: as many as help with latents it was not fitted to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lather.errors import ConfigError
from lather.priors import GaussianMixture
from lather.samplers.descent import OnStep
from lather.samplers.expectation import Products, expectation_maximisation
from lather.samplers.mixture import RIDGE, em
from lather.samplers.sample import parted, standardised

__all__ = ["MixtureSize", "choose_mixture"]

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_FULL_UP_TO = 128  # dimensions; beyond, k covariances of d² numbers are too many to learn and to keep


@dataclass(frozen=True)
class MixtureSize:
    """What was seen with k components.

    Args:
        components: k.
        held_out: log-likelihood of held-out latents, nats each; it decides.
        bic: −2 log L + p log n of the latents fitted to, with p free parameters, in nats per latent; shown beside it.
    """

    components: int
    held_out: float
    bic: float


def choose_mixture(
    z: Tensor,
    held_out: Tensor,
    *,
    sizes: Sequence[int] = SIZES,
    seed: int = 0,
    iterations: int = 30,
    on_step: OnStep | None = None,
) -> tuple[GaussianMixture, list[MixtureSize]]:
    """:func:`~lather.samplers.fit_mixture` with k chosen by the log-likelihood of held-out latents.

    k is doubled until that falls, or latents become too few: a component with a full covariance takes 2 (d + 1).
    Beyond 128 dimensions, or with fewer latents than that, covariances are diagonal.

    The held-out log-likelihood estimates what BIC approximates, and needs no assumption. BIC charges ½ log n nats for
    each of the d(d + 3)/2 parameters of a component, which in many dimensions is much too dear: it stops at a few
    components where held-out latents go on improving. It is shown beside for those who want to compare.

    Args:
        z: latents of training data, (n, d).
        held_out: latents that choose, (m, d).
        sizes: candidates for k, ascending.
        seed: of the starts.
        iterations: at most so many rounds of EM for each k.
        on_step: told the share of the work that is done.

    Returns:
        The mixture fitted to ``z``, and what was seen with every k tried.

    Raises:
        ConfigError: no sizes, or not ascending from 1 or more.
        ShapeError, DataError: latents that nothing can be fitted to.
    """
    if not sizes or list(sizes) != sorted(set(sizes)) or sizes[0] < 1:
        raise ConfigError(f"sizes of mixtures must be ascending whole numbers from 1, got {tuple(sizes)}")
    data = standardised(z, least=4, who="a mixture")
    out = parted(data, held_out)[1].double()
    n, d = data.values.shape
    full = d <= _FULL_UP_TO and n >= 2 * (d + 1)
    each = 2 * (d + 1) if full else 4
    usable = [k for k in sizes if k * each <= n] or [1]
    total = sum(usable)
    shift = float(data.scale.log().sum())  # the density on the latents' own scale
    products = Products(data.values.float())
    seen: list[MixtureSize] = []
    best: _Found | None = None
    for k in usable:
        found = _full(products, out, k, iterations, seed) if full else _diagonal(products.x, out, k, iterations, seed)
        free = k * (d * (d + 3) // 2 if full else 2 * d) + k - 1
        bic = -2 * (found.own - shift) + free * math.log(n) / n
        seen.append(MixtureSize(k, found.held_out - shift, bic))
        if on_step is not None:
            on_step(sum(trial.components for trial in seen) / total)
        if seen[-1].held_out < max(trial.held_out for trial in seen):
            break
        best = found
    assert best is not None
    means = (data.shift + data.scale * best.means).to(z)
    if not full:
        return GaussianMixture(means, (best.spread.sqrt() * data.scale).to(z), weights=best.weights.to(z)), seen
    covariances = best.spread * data.scale * data.scale.unsqueeze(-1)
    return GaussianMixture(means, covariances=covariances.to(z), weights=best.weights.to(z)), seen


class _Found(NamedTuple):
    weights: Tensor
    means: Tensor
    spread: Tensor
    own: float
    held_out: float


def _full(x: Products, out: Tensor, k: int, iterations: int, seed: int) -> _Found:
    found = expectation_maximisation(x, k, ridge=RIDGE, iterations=iterations, seed=seed)
    return _Found(found.weights, found.means, found.covariances, found.log_likelihood, found.score(out))


def _diagonal(x: Tensor, out: Tensor, k: int, iterations: int, seed: int) -> _Found:
    found = em(x.numpy(), k, "diag", seed, iterations)
    weights, means, spread = map(torch.from_numpy, (found.weights_, found.means_, found.covariances_))
    return _Found(weights, means, spread, float(found.score(x.numpy())), float(found.score(out.numpy())))
