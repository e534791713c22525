r"""Latents that are as good as can be, in more and more dimensions: what must break, and what must not.

Centres μ_i ~ N(0, εI), bubbles N(μ_i, (1 − ε)I): any *one* latent is exactly a draw from N(0, I), whatever d. The rate
is −(d/2) log(1 − ε) on average, as E‖μ‖² = εd, so it passes log N, the most it takes to tell N data apart, at

.. math:: d^* = \frac{2 \log N}{−\log(1 − ε)}.

Below, the bubbles fill the prior together and cannot be told apart; above, each can be told apart and their union
misses nearly all of the prior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from lather.auditing import Bubbles
from lather.auditing.posterior_side import posterior_side
from lather.priors import StandardNormal
from lather.studies.marginals import marginals
from lather.studies.union import Union, union

__all__ = ["Ideal", "ideal_latents", "threshold"]


@dataclass(frozen=True)
class Ideal:
    """The audit of latents that cannot be better.

    Attributes:
        d: dimensions.
        rate, log_n: nats.
        union: the training bubbles together, against the prior and new data.
        told: share of training latents that the nearest posterior names the right datum for.
        pass_rate: share of coordinates that pass as N(0, 1).
        auc: of the three-way test; ½ where new data and prior draws are equally at home.
    """

    d: int
    rate: float
    log_n: float
    union: Union
    told: float
    pass_rate: float
    auc: float


def threshold(share: float, n: int) -> float:
    """d*, where the rate reaches log N.

    Args:
        share: ε, the part of the variance that differs between data.
        n: training data, N.

    Example:
        >>> round(threshold(0.1, 2000))
        144
    """
    return 2 * math.log(n) / -math.log1p(-share)


def ideal_latents(d: int, *, share: float = 0.1, bubbles: int = 2000, held_out: int = 1000, seed: int = 0) -> Ideal:
    """Draw centres and latents of ``bubbles`` training and ``held_out`` new data, and audit them.

    Args:
        d: dimensions.
        share: ε.
        bubbles: N.
        held_out: new data, and prior draws.
        seed: of all draws.
    """
    g = torch.Generator().manual_seed(seed)
    n = bubbles + held_out
    mean = math.sqrt(share) * torch.randn(n, d, generator=g, dtype=torch.float64)
    std = torch.full_like(mean, math.sqrt(1 - share))
    z = mean + std * torch.randn(n, d, generator=g, dtype=torch.float64)
    new, known = slice(bubbles, None), slice(0, bubbles)
    side = posterior_side(
        z[new], StandardNormal(d), Bubbles(mean[known], std[known]), mean[new], std[new], generator=g, prior_generator=g
    )
    rows = side.rows
    some = z[known][:held_out]
    nearest = (mean[known].square().sum(1) - 2 * some @ mean[known].T).argmin(1)  # all bubbles are equally wide
    told = float((nearest == torch.arange(len(some))).double().mean())
    return Ideal(
        d,
        float(rows["rate"].details["R"]),
        math.log(bubbles),
        union(mean[known], std[known], z[new], generator=g),
        told,
        marginals(mean[new], std[new], z[new]).pass_rate,
        float(rows["three_way"].effect or math.nan),
    )
