r"""The rate budget: what the posteriors spend, and what that says before anything else is looked at.

With N training posteriors q_i, their average q_N and the prior p,

.. math:: R = \frac1N \sum_i KL(q_i ‖ p) = I(i; z) + KL(q_N ‖ p), \qquad I(i; z) ≤ \log N.

I counts how well a latent tells which datum it came from, and N data cannot be told apart by more than log N nats.
What R exceeds that by is the distance of the union of all bubbles from the prior: KL(q_N‖p) ≥ R − log N.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lather.auditing.bubbles import Bubbles
from lather.auditing.row import Row
from lather.priors.base import Prior

__all__ = ["MARGIN", "RateBudget", "overlap_row", "rate_budget", "rate_row"]

Regime = Literal["covering", "between", "packing"]

MARGIN = 3.0  #: nats around log N within which neither can be said
_DRAWS = 4_000  # bubbles that I(i; z) is averaged over
_TITLE = "rate budget"
_ACTIVE = 0.01  # variance of the mean above which a dimension counts as used


@dataclass(frozen=True)
class RateBudget:
    """R = I + KL, in nats per datum.

    Args:
        n: training posteriors, N.
        rate: R; infinite for points.
        mi: I(i; z), at most log N; log N for distinct points.
        mi_error: its standard error, from the finite number of draws.
        by_dimension: mean KL of each dimension, (d,), where prior and posteriors factorise; they add up to R.
        active: dimensions whose mean varies by more than 0.01 between data.
    """

    n: int
    rate: float
    mi: float
    mi_error: float
    by_dimension: tuple[float, ...]
    active: int

    @property
    def log_n(self) -> float:
        """log N: the most that a latent can say about which datum it is of."""
        return math.log(self.n)

    @property
    def gap(self) -> float:
        """KL(q_N‖p) = R − I."""
        return self.rate - self.mi

    @property
    def lower_bound(self) -> float:
        """What KL(q_N‖p) is at least, without any estimate: R − log N, or 0."""
        return max(self.rate - self.log_n, 0.0)

    @property
    def regime(self) -> Regime:
        """Whether the bubbles can cover the prior (R < log N − 3), cannot (R > log N + 3), or it is close.

        Example:
            >>> RateBudget(20_000, 17.5, 9.85, 0.01, (), 8).regime  # log N = 9.9
            'packing'
        """
        excess = self.rate - self.log_n
        return "covering" if excess < -MARGIN else "packing" if excess > MARGIN else "between"


def rate_budget(bubbles: Bubbles, prior: Prior, *, generator: torch.Generator | None = None) -> RateBudget:
    """R over all bubbles, exact against N(0, I) and by one draw of each elsewhere; I by draws of 4000 of them.

    I = E log q_i(z) − log q_N(z), z ~ q_i, with q_N the exact density of all N.

    Args:
        bubbles: posteriors of training data.
        prior: with a density.
        generator: source of the draws.
    """
    n, d = bubbles.mean.shape
    active = int((bubbles.mean.var(0) > _ACTIVE).sum())
    if bubbles.std is None:
        distinct = len(torch.unique(bubbles.mean, dim=0))
        return RateBudget(n, math.inf, math.log(distinct), 0.0, (), active)
    mean, std = bubbles.mean, bubbles.std
    z = bubbles.draw(generator)
    own = -0.5 * ((z - mean) / std).square().sum(1) - std.log().sum(1) - 0.5 * d * math.log(2 * math.pi)
    by_dimension: tuple[float, ...] = ()
    if prior.standard:
        each = (0.5 * (mean.square() + std.square() - 1) - std.log()).mean(0)
        by_dimension, rate = tuple(each.tolist()), float(each.sum())
    else:
        rate = float((own - _log_prior(prior, z)).mean())
    some = torch.randperm(n, generator=generator)[:_DRAWS]
    told = own[some] - bubbles.log_density(z[some])
    error = float(told.std()) / math.sqrt(len(told))
    return RateBudget(n, rate, min(float(told.mean()), math.log(n)), error, by_dimension, active)


def rate_row(budget: RateBudget) -> Row:
    """Row ``rate``: a description, no verdict, because a rate is neither good nor bad."""
    finite = math.isfinite(budget.rate)
    details = {
        "R": budget.rate if finite else None,
        "mi": budget.mi,
        "mi_error": budget.mi_error,
        "log_n": budget.log_n,
        "kl": budget.gap if finite else None,
        "kl_at_least": budget.lower_bound if finite else None,
        "regime": budget.regime,
        "n": budget.n,
        "active": budget.active,
        "kl_by_dimension": list(budget.by_dimension),
    }
    return Row("rate", _TITLE, effect=budget.rate if finite else None, details=details, meaning=_words(budget))


def overlap_row(
    budget: RateBudget,
    training: Tensor,
    held_out: Tensor,
    prior: Tensor,
) -> Row:
    """Row ``overlap``: the share of prior draws outside the training bubbles, beside that of held-out latents.

    *Outside* is below the 1% quantile of the density that latents of the bubbles themselves have. Grey: it says what
    the bubbles cover, not whether the prior is matched; while packing, it is next to 1 for anything not trained on.

    Args:
        budget: of all bubbles.
        training, held_out, prior: log density of the bubbles at latents of each, (m,), those of training with their own
            bubble among the bubbles.
    """
    threshold = float(training.quantile(0.01))
    shares = {"prior": _share(prior, threshold), "held_out": _share(held_out, threshold)}
    words = (
        f"{shares['prior']:.0%} of prior draws and {shares['held_out']:.0%} of new latents lie outside all "
        "posteriors (below the 1% quantile of their own density)."
    )
    if budget.regime == "packing":
        spent = f"R = {budget.rate:.1f}" if math.isfinite(budget.rate) else "R = ∞"
        words += (
            f" {spent} > log N = {budget.log_n:.1f}: they cannot cover the prior, nor new data; read no more into it."
        )
    return Row(
        "overlap",
        "outside the training posteriors",
        effect=shares["prior"],
        null=0.01,
        details={**shares, "regime": budget.regime},
        meaning=words,
    )


def _words(budget: RateBudget) -> str:
    n, log_n = f"{budget.n:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"), budget.log_n
    if not math.isfinite(budget.rate):
        return (
            f"The encoder gives every datum a point, not a region, so that a latent tells its datum among {n} exactly "
            "and no set of data, however large, covers the prior. Whether the points lie where prior draws fall is a "
            "question for the tests below."
        )
    start = f"A latent spends R = {budget.rate:.1f} nats on its datum"
    if budget.regime == "covering":
        return (
            f"{start}, fewer than the log N = {log_n:.1f} it takes to tell {n} data apart: their posteriors overlap, "
            f"and together they miss the prior by KL = {max(budget.gap, 0.0):.2g} nats."
        )
    if budget.regime == "packing":
        return (
            f"{start}, more than the log N = {log_n:.1f} it takes to tell {n} data apart: posteriors are bubbles with "
            f"empty space between them. Together they miss at least R − log N = {budget.lower_bound:.1f} nats of the "
            "prior, and new data miss them as much; so what counts is whether prior draws and new latents lie "
            "equally far off (the three-way test)."
        )
    return (
        f"{start}, about the log N = {log_n:.1f} it takes to tell {n} data apart: posteriors begin to come apart, and "
        f"together they miss the prior by KL = {max(budget.gap, 0.0):.2g} nats."
    )


def _share(values: Tensor, threshold: float) -> float:
    return float((values < threshold).double().mean())


def _log_prior(prior: Prior, z: Tensor) -> Tensor:
    """log p at float64 latents on the CPU, wherever the prior lives."""
    with torch.no_grad():
        return prior.log_prob(z.to(prior.like)).double().cpu()
