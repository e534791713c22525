"""Where only one side goes: holes, which prior draws reach and data never do, and strays, the reverse.

Each counts how many of one sample lie in a region that should hold 1%. A latent wider than the prior has no holes, few
points of AUC, and is still wrong: so both directions are counted. Counts are whole numbers, so their p-values are
randomised within the step they fall on, P(X > count) + U·P(X = count): uniform under the null, where an unrandomised
one would be too large on average.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.row import Row
from lather.auditing.three_way import Scores
from lather.divergences.detection import DetectionSize
from lather.divergences.hermite_null import P_FLOOR
from lather.priors.base import Prior

__all__ = ["count_detection", "crowding_row", "exceedance", "holes_row", "strays_row", "strays_row_from"]

SHARE = 0.01  #: what each region should hold
_SHOWN = 16  # worst holes whose indices are kept
_DRAWS = 20_000
_STRAYS = "data where prior draws never fall"
_STRAYS_WORDS = (
    "{share} of latents lie outside the region that holds 99% of the prior: such data are not generated.",
    "Latents stay where the prior is.",
    "Raise the weight of the matching term (in a VAE: β), or sample from what fits the latents (lather repair).",
)


def holes_row(found: Scores, *, generator: torch.Generator | None = None) -> Row:
    """Row ``holes``: prior draws below the held-out 1% quantile of log q_train, against 1% expected.

    ``details["worst"]`` are the indices of the worst among ``Scores.draws``, worst first: decode those.
    """
    order = found.prior.argsort()[:_SHOWN]
    row = _row(
        "holes",
        "prior draws where no data lie",
        -found.prior,
        -found.held_out,
        _uniform(generator),
        "{share} of prior draws fall where fewer than 1% of latents lie: what is decoded there is a guess.",
        "Prior draws fall into regions without data no more often than latents do.",
        "Sample from what fits the latents (lather repair), which keeps out of there, or match more strongly.",
    )
    row.details["worst"] = order.tolist()
    return row


@torch.no_grad()
def strays_row(z: Float[Tensor, "n d"], prior: Prior, *, generator: torch.Generator | None = None) -> Row:
    """Row ``strays``: held-out latents outside the region of highest density that holds 99% of the prior.

    For N(0, I) that is a ball, and the count is binomial; elsewhere its edge comes from 20 000 prior draws.
    """
    if not (prior.density and prior.euclidean):
        return Row("strays", _STRAYS, reason=f"{prior!r} has no region of highest density")
    if not prior.standard:
        draws = prior.sample(_DRAWS, generator=generator)
        own, reference = (-prior.log_prob(x.to(prior.like)).double().cpu() for x in (z, draws))
        return _row("strays", _STRAYS, own, reference, _uniform(generator), *_STRAYS_WORDS)
    from scipy import stats

    n, d = z.shape
    count = int((z.square().sum(1) > float(stats.chi2.isf(SHARE, d))).sum())
    return strays_row_from(count, n, generator=generator)


def strays_row_from(count: int, n: int, *, generator: torch.Generator | None = None) -> Row:
    """Row ``strays`` from ``count`` of ``n`` latents outside the ball that holds 99% of N(0, I)."""
    from scipy import stats

    u = _uniform(generator)
    p = float(stats.binom.sf(count, n, SHARE) + u * stats.binom.pmf(count, n, SHARE))
    return _counted("strays", _STRAYS, count, n, p, float(stats.binom.isf(0.05, n, SHARE)), SHARE, *_STRAYS_WORDS)


def crowding_row(found: Scores, *, generator: torch.Generator | None = None) -> Row:
    """Row ``crowding``: held-out latents whose score log q_train − log p is beyond the prior's own 99% quantile."""
    return _row(
        "crowding",
        "data where prior draws are rare",
        found.of_held_out,
        found.of_prior,
        _uniform(generator),
        "{share} of latents lie where others crowd and fewer than 1% of prior draws fall: such data "
        "are generated too rarely.",
        "Latents lie in crowded regions no more often than prior draws do.",
        "Add a small-bandwidth MMD to the objective, or sample from what fits the latents (lather repair).",
    )


def exceedance(count: int, m: int, k: int, n: int, u: float = 1.0) -> float:
    """P(X > count) + u·P(X = count) for the number X, of m draws, beyond the k-th largest of n others of the same law.

    X is beta-binomial with parameters (m, k, n − k + 1), exactly, for any continuous law.

    Example:
        >>> exceedance(1, 1, 1, 1), round(exceedance(2, 2, 1, 9), 6)  # 1/2, and 2/(11·10)·…
        (0.5, 0.018182)
    """
    from scipy import stats

    terms = np.exp(stats.betabinom.logpmf(np.arange(count, m + 1), m, k, n - k + 1))
    return min(1.0, float(terms.sum() - (1 - u) * terms[0]))


def count_detection(share: float, low: float, high: float, tested: int, expected: float = SHARE) -> DetectionSize:
    """Draws at which a count of probability ``share`` beats the 95% quantile for ``expected`` every other time.

    Example:
        >>> 12 < count_detection(0.1, 0.09, 0.11, 4000).n < 30
        True
    """
    return DetectionSize(_needed(share, expected), _needed(high, expected), _needed(low, expected), tested)


def _needed(share: float, expected: float) -> float:
    from scipy import stats

    if share <= expected:
        return math.inf
    sizes = np.unique(np.round(np.geomspace(2, 1e7, 600)))
    critical = stats.binom.isf(0.05, sizes, expected)
    power = stats.binom.sf(critical, sizes, share)
    below = np.nonzero(power < 0.5)[0]  # saw-toothed: the last size that does not do
    if len(below) == 0:
        return 2.0
    return float(sizes[below[-1] + 1]) if below[-1] + 1 < len(sizes) else math.inf


def _row(
    key: str, title: str, counted: Tensor, reference: Tensor, u: float, meaning: str, all_clear: str, remedy: str
) -> Row:
    """How many of ``counted`` lie beyond the k-th largest of ``reference``, k chosen so that 1% are expected."""
    m, n = len(counted), len(reference)
    k = max(1, round(SHARE * (n + 1)))
    edge = reference.topk(k).values[-1]
    count = int((counted > edge).sum())
    p = exceedance(count, m, k, n, u)
    from scipy import stats

    critical = float(stats.betabinom.isf(0.05, m, k, n - k + 1))
    return _counted(key, title, count, m, p, critical, k / (n + 1), meaning, all_clear, remedy)


def _counted(
    key: str,
    title: str,
    count: int,
    m: int,
    p: float,
    critical: float,
    expected: float,
    meaning: str,
    all_clear: str,
    remedy: str,
) -> Row:
    from scipy import stats

    low = float(stats.beta.ppf(0.025, count, m - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(0.975, count + 1, m - count)) if count < m else 1.0
    share = count / m
    size = (
        count_detection(share, low, high, m, expected) if p <= 0.05 else DetectionSize(math.inf, float(m), math.inf, m)
    )
    return Row(
        key,
        title,
        effect=share,
        null=critical / m,
        z=(count - m * expected) / math.sqrt(m * expected * (1 - expected)),
        p=max(p, P_FLOOR),
        p_is_bound=p < P_FLOOR,
        low=low,
        high=high,
        n_star=size,
        details={"count": count, "of": m, "expected": expected},
        meaning=meaning.format(share=f"{share:.1%}"),
        all_clear=all_clear,
        remedy=remedy,
    )


def _uniform(generator: torch.Generator | None) -> float:
    """U of a randomised p-value."""
    device = "cpu" if generator is None else generator.device
    return float(torch.rand((), generator=generator, device=device, dtype=torch.float64))
