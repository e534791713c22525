"""The Hermite ladder as rows of a report."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from lather.auditing.row import Row
from lather.divergences.hermite import ORDERS, HermiteSums, hermite_ladder
from lather.divergences.hermite_null import detection_size, ladder_pvalue, ladder_quantile
from lather.priors.base import Prior

__all__ = ["ladder_row", "ladder_rows"]

_TITLES = {1: "mean", 2: "spread and correlation", 3: "lopsidedness", 4: "tails and clusters"}
_GOOD = {
    1: "The latents are centred where the prior is.",
    2: "Each direction has the prior's variance and no two are correlated.",
    3: "The latents are as symmetric as the prior.",
    4: "The latents have the prior's tails, and no clumps that this test can see.",
}
_BAD = {
    1: "The cloud of latents is centred elsewhere than the prior: prior draws come from beside the data.",
    2: "Some directions are stretched, squeezed or correlated: prior draws miss where the data lie.",
    3: "The cloud of latents leans to one side, which the prior does not.",
    4: "The latents have heavier or lighter tails than the prior, or fall into clumps with empty space between.",
}
_FOLLOWS = " (Some of this follows from the spread being off; mend that first.)"
_REMEDIES = {
    1: "Raise the weight of the matching term; if only the mean is off, train longer.",
    2: "Raise the weight of the matching term, or sample from a Gaussian fitted to the latents.",
    3: "Add HermiteLadder(order=3) or a small-bandwidth MMD, or fit what to sample from (lather repair).",
    4: "Add a small-bandwidth MMD or RadiusCDF(), or fit what to sample from (lather repair).",
}
_MOST = 10_000  # pairs grow with the square of n: at 10 000 the ladder takes seconds


def ladder_rows(z: Float[Tensor, "n d"], prior: Prior) -> list[Row]:
    """Rows ``ladder_1`` … ``ladder_4`` for latents ``z`` in random order.

    The effect is U_k, the unbiased estimate of the squared norm of the Hermite moments of degree k (0 at the
    prior); ``details["size"]`` is its square root. At most the first 10 000 latents are used.
    """
    if not prior.standard:
        reason = f"the Hermite ladder is made for N(0, I), not for {prior!r}"
        return [Row(f"ladder_{k}", _TITLES[k], reason=reason) for k in ORDERS]
    sums = hermite_ladder(z[:_MOST])
    return [ladder_row(sums, k) for k in ORDERS]


def ladder_row(sums: HermiteSums, k: int) -> Row:
    """Row ``ladder_k`` from sums that were made already."""
    effect, error = sums.effects[k - 1], sums.errors[k - 1]
    p, bound = ladder_pvalue(sums, k)
    return Row(
        f"ladder_{k}",
        _TITLES[k],
        effect=effect,
        null=ladder_quantile(sums.n, sums.d, k),
        z=sums.z(k),
        p=p,
        p_is_bound=bound,
        low=effect - 1.96 * error,
        high=effect + 1.96 * error,
        n_star=detection_size(sums, k),
        details={"size": sums.size(k), "n": sums.n, "null_sd": sums.null_sd(k)},
        meaning=_BAD[k] + (_FOLLOWS if k > 2 and sums.z(2) > max(sums.z(k), 10.0) / 2 else ""),
        all_clear=_GOOD[k],
        remedy=_REMEDIES[k],
    )
