"""The radius: do the latents lie as far from the origin as prior draws do?

In d dimensions N(0, I) is a shell of radius √d and thickness 0.7: ‖z‖² follows χ²_d. The radius is blind to
direction, but it is the one statistic that sees an isotropic change of scale in high dimension, where the
covariance step of the ladder has no power left.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.inputs import affordable
from lather.auditing.row import Row
from lather.divergences.detection import DetectionSize
from lather.divergences.hermite_null import P_FLOOR
from lather.priors.base import Prior

__all__ = ["radius_row", "radius_row_from"]

_TITLE = "distance from the origin"
_CRITICAL = 1.358  # 95% quantile of Kolmogorov's distribution of √n·D
_LIFT = 0.35  # how far the median of √n·D_n lies above √n·D; power at n* is .46 to .65 for scale, tails, width


def radius_row(z: Float[Tensor, "n d"], prior: Prior, *, generator: torch.Generator | None = None) -> Row:
    """‖z‖² against the prior's law by the Kolmogorov–Smirnov test.

    The effect is D, the largest gap between the two distribution functions (0 to 1); ``details`` adds
    ``"ratio"``, the root-mean-square radius over the prior's (below 1: latents lie too close to the origin), and
    ``"spread"``, the standard deviation of ‖z‖ over the prior's. The p-value is exact where the law of the
    prior's radius is known; otherwise it is the two-sample test against 20 000 prior draws from ``generator``.

    Args:
        z: latents in random order, float64.
        prior: what they are compared with.
        generator: source of the prior draws.
    """
    from scipy import stats

    n, d = z.shape
    squared = z.square().sum(1)
    law = prior.squared_radius()
    reference = prior.sample(affordable(prior.d), generator=generator).detach().cpu().double().square().sum(1)
    typical = float(reference.sqrt().std()), float(reference.mean().sqrt())
    ratio = float(squared.mean().sqrt()) / typical[1]
    details = {"ratio": ratio, "mean_square": float(squared.mean()), "prior_mean_square": float(reference.mean())}
    if typical[0] < 1e-5 * typical[1]:
        return Row(
            "radius",
            _TITLE,
            reason=f"{prior!r} gives every draw the same norm, so there is no law to compare with; the latents' "
            f"root-mean-square norm is {ratio:.4g} times the prior's",
            details=details,
        )
    if prior.standard:
        test = stats.kstest(squared.numpy(), stats.chi2(d).cdf)
        ratio = details["ratio"] = float((squared.mean() / d).sqrt())
        details["prior_mean_square"] = float(d)
    elif law is not None:
        test = stats.kstest(law.cdf(squared.to(prior.like)).detach().double().cpu().numpy(), "uniform")
    else:
        test = stats.ks_2samp(squared.numpy(), reference.numpy())
    details["spread"] = float(squared.sqrt().std()) / typical[0]
    return _row(float(test.statistic), float(test.pvalue), n, details, typical[1] / typical[0])


def radius_row_from(gap: float, n: int, mean_square: float, some: Float[Tensor, "m d"], prior: Prior) -> Row:
    """The same row from a Kolmogorov–Smirnov distance that is known already.

    Args:
        gap: distance of the distribution functions of ‖z‖², of ``n`` latents.
        n: how many.
        mean_square: mean of their ‖z‖².
        some: a random part of them, for the thickness of their shell.
        prior: one whose law of ‖z‖² is known.
    """
    from scipy import stats

    reference = prior.sample(affordable(prior.d), generator=torch.Generator(device=prior.like.device).manual_seed(0))
    norms = reference.detach().cpu().double().norm(dim=1)
    expected = float(prior.d) if prior.standard else float(norms.square().mean())
    thickness = float(norms.std())
    details = {"ratio": math.sqrt(mean_square / expected), "mean_square": mean_square, "prior_mean_square": expected}
    details["spread"] = float(some.norm(dim=1).std()) / thickness
    return _row(gap, float(stats.kstwo.sf(gap, n)), n, details, math.sqrt(expected) / thickness)


def _row(gap: float, p: float, n: int, details: dict[str, float], thinness: float) -> Row:
    return Row(
        "radius",
        _TITLE,
        effect=gap,
        null=_CRITICAL / math.sqrt(n),
        z=(gap * math.sqrt(n) - 0.869) / 0.260,  # mean and sd of Kolmogorov's distribution
        p=max(p, P_FLOOR),
        p_is_bound=p < P_FLOOR,
        low=max(0.0, gap - 0.98 / math.sqrt(n)),
        high=min(1.0, gap + 0.98 / math.sqrt(n)),
        n_star=_detection(gap, p, n),
        details={**details, "n": n},
        meaning=_meaning(details["ratio"], details["spread"], thinness),
        all_clear="The latents lie as far from the origin as prior draws do.",
        remedy="Raise the weight of the matching term, or add RadiusCDF(), which looks at nothing else.",
    )


def _detection(gap: float, p: float, n: int) -> DetectionSize:
    """n* of the Kolmogorov–Smirnov test: √n*·D + 0.35 reaches the critical value 1.358."""
    if p > 0.05:
        return DetectionSize(math.inf, float(n), math.inf, n)
    estimate = gap - _LIFT / math.sqrt(n)
    error = 0.5 / math.sqrt(n)  # √(F(1−F)/n) is at most this

    def size(distance: float) -> float:
        return max(2.0, ((_CRITICAL - _LIFT) / distance) ** 2) if distance > 0 else math.inf

    return DetectionSize(size(estimate), size(estimate + 1.96 * error), size(estimate - 1.96 * error), n)


def _meaning(ratio: float, spread: float, thinness: float) -> str:
    """Whichever deviates more, in units of the shell's own thickness: how far out it lies, or how wide it is."""
    if abs(ratio - 1) * thinness >= abs(spread - 1):
        where = "closer to" if ratio < 1 else "farther from"
        return f"The latents lie {abs(ratio - 1):.1%} {where} the origin than prior draws, which the decoder never saw."
    width = "narrower" if spread < 1 else "wider"
    return f"The latents lie in a {width} shell around the origin than prior draws ({spread:.2f} times as thick)."
