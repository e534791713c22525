"""How latents lie to each other: pair distances against their law, and a kernel narrow enough to see clumps."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.carried import carried_null
from lather.auditing.row import Row
from lather.divergences.base import Divergence
from lather.divergences.detection import DetectionSize
from lather.divergences.distance_cdf import DistanceCDF
from lather.divergences.hermite_null import P_FLOOR
from lather.divergences.mmd import MMD, GaussianKernel
from lather.divergences.null import NullDistribution
from lather.priors.base import Prior

__all__ = ["mmd_small_row", "null_row", "pair_distance_row", "small_bandwidth"]

_SIMULATED = 256  # latents in a statistic whose null is simulated at its own size
_DISTANT = 2_000  # latents whose distances are counted
_SUMMED = 4_000  # latents in one whose null is known
_OWN_DRAWS = 399  # of the null of a prior learned with one model; p ≥ 1/400 can be significant among 20 tests


@torch.no_grad()
def pair_distance_row(z: Float[Tensor, "n d"], prior: Prior, *, generator: torch.Generator | None = None) -> Row:
    """Row ``pair_distance``: :class:`~lather.DistanceCDF` of up to 2000 latents against its simulated null.

    The effect is the root of the mean squared gap between the two distribution functions of ‖z − z'‖, the null's own
    mean taken off the square; p by the add-one rule. Its null falls like 1/n, hence n* = n (c − m)/(T − m) with null
    mean m and critical value c.

    ``details["null_draws"]`` simulations make a null that has to be simulated at its own size: 999, kept for the next
    audit, or 399 where the prior was learned with the model, so that nobody else will need them.

    Args:
        z: latents in random order.
        prior: what they are compared with.
        generator: source of prior draws, where the law of distances is not known.
    """
    exact = DistanceCDF().needs(prior) == "closed form"
    z = z[: _DISTANT if exact else _SIMULATED]
    n = len(z)
    null = carried_null(DistanceCDF(), prior, n) if exact else _simulated(DistanceCDF(), prior, n)
    value = float(DistanceCDF()(z.to(prior.like.device, null_dtype(prior)), prior, generator=generator))
    typical = prior.squared_distance()
    expected = None if typical is None else float(typical.mean.reshape(-1)[0])
    ratio = None if expected is None else float(torch.pdist(z).square().mean()) / expected
    wide = "" if ratio is None else f" (mean square {ratio:.3g} times the prior's)"
    return null_row(
        "pair_distance",
        "distances between latents",
        value,
        null,
        f"Latents lie at other distances from each other than prior draws do{wide}: they clump, or spread too far.",
        "Latents lie as far from each other as prior draws do.",
        "Add DistanceCDF() together with RadiusCDF() to the objective, or fit what to sample from (lather repair).",
    )


@torch.no_grad()
def mmd_small_row(z: Float[Tensor, "n d"], prior: Prior, *, generator: torch.Generator | None = None) -> Row:
    """Row ``mmd_small``: the unbiased MMD² of a Gaussian kernel of bandwidth √d/4, narrow for every dimension.

    Against N(0, I), up to 4000 latents enter, and mean, standard deviation and skewness of the null are exact; p is
    that of the shifted χ² with these three. Up to 256 latents, where this is not good enough, and against other priors
    the null is simulated, as for :func:`pair_distance_row`.

    Args:
        z: latents in random order.
        prior: what they are compared with.
        generator: source of prior draws, where the kernel's averages are not known.
    """
    d = z.shape[1]
    mmd = MMD(GaussianKernel(small_bandwidth(d)))
    known = prior.standard and len(z) > _SIMULATED
    z = z[: _SUMMED if known else _SIMULATED]
    value = float(mmd(z.to(prior.like.device, null_dtype(prior)), prior, generator=generator))
    words = (
        "Seen from close by, latents clump: near each there are more others than near a prior draw, with gaps between.",
        "Seen from close by, latents are spread as evenly as prior draws.",
        f"Add MMD(GaussianKernel({small_bandwidth(d):.3g})) to the objective, or fit what to sample from (lather "
        "repair).",
    )
    if not known:
        return null_row("mmd_small", "clumps seen from close by", value, _simulated(mmd, prior, len(z)), *words)
    from scipy import stats

    n = len(z)
    deviation, skewness = math.sqrt(mmd.null_variance(n, d)), _skewness(mmd.kernel.bandwidth**-2, n, d)  # type: ignore[attr-defined]
    p = float(stats.pearson3.sf(value / deviation, skewness))
    critical = float(stats.pearson3.ppf(0.95, skewness)) * deviation
    return _made("mmd_small", "clumps seen from close by", value, critical, 0.0, deviation, p, P_FLOOR, n, words)


def small_bandwidth(d: int) -> float:
    """√d/4: a fifth to a sixth of the typical distance √(2d), so that a sample sees its neighbours and little else."""
    return math.sqrt(d) / 4


def null_dtype(prior: Prior) -> torch.dtype:
    """What nulls of ``prior`` are simulated in."""
    return torch.float64 if prior.like.dtype == torch.float64 else torch.float32


def _skewness(b: float, n: int, d: int) -> float:
    r"""Skewness of U under N(0, I_d) for k = exp(−b‖x − y‖²/2), exact.

    E U³ = (2/(n(n−1)))² [E h³ + 2(n−2) E h(x,y)h(y,z)h(z,x)], with h the centred kernel: the other products of three
    pairs have a free end, over which h averages to 0.
    """
    cube = _average(b, n_pairs=1, d=d)
    cycle = _average(b, n_pairs=3, d=d)
    square = 0.5 * MMD(GaussianKernel(b**-0.5)).null_variance(2, d) * 2
    third = (2 / (n * (n - 1))) ** 2 * (cube + 2 * (n - 2) * cycle)
    return third / (2 * square / (n * (n - 1))) ** 1.5


def _average(b: float, *, n_pairs: int, d: int) -> float:
    """E h(x,y)³ (one pair) or E h(x,y)h(y,z)h(z,x) (three), by expanding h = k − m(x) − m(y) + M.

    Every term is the average of exp of minus half a quadratic form, det(I + Q)^{−d/2} with a 2×2 or 3×3 matrix Q.
    """
    import itertools

    pairs = [(0, 1)] * 3 if n_pairs == 1 else [(0, 1), (1, 2), (2, 0)]
    size = 2 if n_pairs == 1 else 3
    total, rate, factor = 0.0, b / (1 + b), -0.5 * d * math.log1p(b)
    centre = -0.5 * d * math.log1p(2 * b)
    logs: list[tuple[int, float]] = []
    for chosen in itertools.product(range(4), repeat=3):
        q = torch.eye(size, dtype=torch.float64)
        log, sign = 0.0, 1
        for kind, (i, j) in zip(chosen, pairs, strict=True):
            if kind == 0:
                for r, c, s in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
                    q[r, c] += s * b
            elif kind == 3:
                log += centre
            else:
                end = i if kind == 1 else j
                q[end, end] += rate
                log, sign = log + factor, -sign
        logs.append((sign, log - 0.5 * d * float(torch.logdet(q))))
    top = max(value for _, value in logs)
    total = math.fsum(sign * math.exp(value - top) for sign, value in logs)
    return total * math.exp(top)


def _simulated(divergence: Divergence, prior: Prior, n: int) -> NullDistribution:
    return divergence.null(prior, n, draws=_OWN_DRAWS if prior.learned else None, progress=False)


def null_row(
    key: str, title: str, value: float, null: NullDistribution, meaning: str, all_clear: str, remedy: str
) -> Row:
    """A row from a value and its null distribution, for statistics whose null falls like 1/n."""
    p, n = null.pvalue(value), null.n
    words = (meaning, all_clear, remedy)
    row = _made(key, title, value, null.quantile(0.95), null.mean, null.std, p, null.floor, n, words)
    return replace(row, details={**row.details, "null_draws": null.draws})


def _made(
    key: str,
    title: str,
    value: float,
    critical: float,
    mean: float,
    deviation: float,
    p: float,
    floor: float,
    n: int,
    words: tuple[str, str, str],
) -> Row:
    effect, needed = value - mean, critical - mean
    return Row(
        key,
        title,
        effect=effect,
        null=needed,
        z=effect / deviation,
        p=max(p, floor),
        p_is_bound=p <= floor,
        n_star=_detection(effect, needed, deviation, p, n),
        details={"n": n, "null_mean": mean, "null_sd": deviation},
        meaning=words[0],
        all_clear=words[1],
        remedy=words[2],
    )


def _detection(effect: float, needed: float, deviation: float, p: float, n: int) -> DetectionSize:
    """n·needed/effect, for statistics whose null falls like 1/n; the interval from the null's own spread."""
    if p > 0.05 or effect <= 0:
        return DetectionSize(math.inf, float(n), math.inf, n)
    size, error = max(2.0, n * needed / effect), 1.96 * deviation / effect
    return DetectionSize(size, max(2.0, size / (1 + error)), size / (1 - error) if error < 1 else math.inf, n)
