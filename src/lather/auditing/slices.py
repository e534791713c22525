"""Single directions: the axes, and the directions that carry the signal.

A law can look normal in every sense that mixes directions and be plainly wrong along one. Each direction is tested by
the Kolmogorov–Smirnov statistic, whose law is known exactly; along orthogonal directions the projections of N(0, I)
are independent, so the smallest of k p-values has the law 1 − (1 − p)^k (Šidák), exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.row import Row
from lather.divergences.detection import DetectionSize
from lather.divergences.hermite_null import P_FLOOR
from lather.priors.base import Prior

__all__ = [
    "Slices",
    "axis_row_from",
    "per_axis_row",
    "random_row_from",
    "signal_directions",
    "signal_row",
    "slices",
]

_MOST = 20_000  # latents that are sorted along each direction
_LIFT = 0.35  # how far the median of √n·D_n lies above √n·D
_LEADING = 8  # signal directions


@dataclass(frozen=True)
class Slices:
    """Kolmogorov–Smirnov along k directions.

    Args:
        n: latents.
        gaps: the largest gap between distribution functions along each direction.
        p: of the largest, all k counted.
        critical: what the largest gap stays below 95 times in 100 under the prior.
    """

    n: int
    gaps: tuple[float, ...]
    p: float
    critical: float

    @classmethod
    def known(cls, n: int, gaps: Float[Tensor, "k"], *, independent: bool) -> Slices:
        """From the gaps of n latents to laws that are known, along k directions."""
        from scipy import stats

        k = len(gaps)
        p = _combined(float(stats.kstwo.sf(float(gaps.max()), n)), k, independent)
        return cls(n, tuple(gaps.tolist()), p, float(stats.kstwo.isf(_level(k, independent), n)))

    @property
    def worst(self) -> int:
        """The direction with the largest gap."""
        return max(range(len(self.gaps)), key=self.gaps.__getitem__)

    @property
    def n_star(self) -> DetectionSize:
        """Samples at which the largest gap reaches its critical value every other time."""
        if self.p > 0.05:
            return DetectionSize(math.inf, float(self.n), math.inf, self.n)
        root = math.sqrt(self.n)
        estimate, error, needed = self.gaps[self.worst] - _LIFT / root, 0.5 / root, self.critical * root - _LIFT

        def size(gap: float) -> float:
            return max(2.0, (needed / gap) ** 2) if gap > 0 else math.inf

        return DetectionSize(size(estimate), size(estimate + 1.96 * error), size(estimate - 1.96 * error), self.n)


@torch.no_grad()
def slices(
    z: Float[Tensor, "n d"],
    directions: Float[Tensor, "k d"] | None,
    prior: Prior,
    *,
    independent: bool,
    generator: torch.Generator | None = None,
) -> Slices:
    """Kolmogorov–Smirnov of z along unit rows of ``directions``; at most the first 20 000 latents.

    Args:
        z: latents in random order.
        directions: unit vectors chosen without looking at ``z``; ``None``: all axes.
        prior: its marginals are exact where it knows them, else those of 20 000 draws.
        independent: whether projections of the prior are independent; otherwise p is Bonferroni's, an upper bound.
        generator: source of prior draws.
    """
    from scipy import special, stats

    z = z[:_MOST]
    n, k = len(z), z.shape[1] if directions is None else len(directions)

    def along(x: Tensor) -> Tensor:
        return x if directions is None else x @ directions.T

    projected = along(z).T.contiguous().sort(dim=1).values  # (k, n)
    axes = torch.eye(z.shape[1], dtype=z.dtype) if directions is None and not prior.standard else directions
    law = None if axes is None or prior.standard else prior.along(axes.to(prior.like))
    if not prior.standard and law is None:
        draws = prior.sample(_MOST, generator=generator).detach().cpu().double()
        tests = [
            stats.ks_2samp(a.numpy(), b.numpy(), method="asymp") for a, b in zip(projected, along(draws).T, strict=True)
        ]
        gaps = [float(t.statistic) for t in tests]
        effective = n * _MOST / (n + _MOST)
        single = float(stats.kstwobign.isf(_level(k, independent)) / math.sqrt(effective))
        return Slices(n, tuple(gaps), _combined(min(float(t.pvalue) for t in tests), k, independent), single)
    if law is None:
        u = torch.from_numpy(special.ndtr(projected.numpy()))
    else:
        u = law.cdf(projected.T.to(prior.like)).double().cpu().T
    step = torch.arange(n, dtype=torch.float64) / n
    return Slices.known(n, torch.maximum(step + 1 / n - u, u - step).amax(1), independent=independent)


def per_axis_row(z: Float[Tensor, "n d"], prior: Prior, *, generator: torch.Generator | None = None) -> Row:
    """Row ``per_axis``: the axis along which latents differ most from the prior."""
    found = slices(z, None, prior, independent=prior.standard or prior.independent, generator=generator)
    return axis_row_from(found, z.mean(0), z.std(0))


def axis_row_from(found: Slices, mean: Float[Tensor, "d"], std: Float[Tensor, "d"]) -> Row:
    """The same row from gaps that are known already.

    Args:
        found: along every axis.
        mean, std: of the latents.
    """
    worst = found.worst
    at, width = float(mean[worst]), float(std[worst])
    return _row(
        "per_axis",
        "worst single axis",
        found,
        {"axis": worst, "mean": at, "std": width},
        f"Along axis {worst + 1} of {len(mean)} the latents are spread differently from the prior (mean "
        f"{at:.2f}, standard deviation {width:.2f}).",
        "Along every axis the latents are spread like the prior.",
        "Add Sliced(Wasserstein1d(), directions=torch.eye(d)) to the objective, which looks at every axis.",
    )


def random_row_from(
    found: Slices, directions: Float[Tensor, "k d"], mean: Float[Tensor, "d"], covariance: Float[Tensor, "d d"]
) -> Row:
    """Row ``per_slice``: the worst of some random directions, from gaps that are known already.

    ``details["direction"]`` is that direction, a unit vector.

    Args:
        found: along every direction.
        directions: unit vectors chosen without looking at the latents.
        mean, covariance: of the latents.
    """
    direction = directions[found.worst]
    at, width = float(direction @ mean), float(direction @ covariance @ direction) ** 0.5
    return _row(
        "per_slice",
        "worst random direction",
        found,
        {"direction": direction.tolist(), "slice": found.worst, "mean": at, "std": width},
        f"Along random direction {found.worst + 1} of {len(directions)} the latents are spread differently from the "
        f"prior (mean {at:.2f}, standard deviation {width:.2f}).",
        "Along every random direction the latents are spread like the prior.",
        "Add Sliced(Wasserstein1d()) or MaxSliced to the objective, or fit what to sample from (lather repair).",
    )


def signal_directions(
    mean: Float[Tensor, "n d"], std: Float[Tensor, "n d"] | None, k: int = _LEADING
) -> tuple[Float[Tensor, "k d"], Float[Tensor, "k"]]:
    """Directions in which posteriors differ most from each other in units of their own width, orthonormal.

    They solve Cov(μ) v = λ diag(E σ²) v, largest λ first, made orthonormal in that order; without deviations they are
    the principal directions of μ.

    Args:
        mean, std: posteriors *other* than those that will be tested along the directions.
        k: how many at most.

    Returns:
        directions (k, d) and their λ, the signal-to-noise ratios.
    """
    n, d = mean.shape
    width = torch.ones(d, dtype=mean.dtype) if std is None else std.square().mean(0).sqrt()
    centred = (mean - mean.mean(0)) / width
    k = min(k, d, n - 1)
    _, singular, vectors = torch.linalg.svd(centred[:_MOST], full_matrices=False)
    found = torch.linalg.qr((vectors[:k] / width).T).Q.T
    return found, singular[:k].square() / min(n, _MOST)


def signal_row(
    z: Float[Tensor, "n d"],
    directions: Float[Tensor, "k d"],
    ratios: Float[Tensor, "k"],
    prior: Prior,
    *,
    generator: torch.Generator | None = None,
) -> Row:
    """Row ``signal``: the worst of the directions that carry most of what latents say about data."""
    found = slices(z, directions, prior, independent=prior.standard, generator=generator)
    off = z @ directions[found.worst]
    return _row(
        "signal",
        "worst direction that carries signal",
        found,
        {
            "direction": directions[found.worst].tolist(),
            "rank": found.worst + 1,
            "signal_to_noise": ratios.tolist(),
            "mean": float(off.mean()),
            "std": float(off.std()),
        },
        f"Along signal direction {found.worst + 1} of {len(directions)}, where data differ most, latents are spread "
        f"differently from the prior (mean {off.mean():.2f}, standard deviation {off.std():.2f}).",
        "Along the directions that carry most of the information, the latents are spread like the prior.",
        "Add Sliced(Wasserstein1d()) or MaxSliced to the objective, or fit what to sample from (lather repair).",
    )


def _row(
    key: str, title: str, found: Slices, details: dict[str, object], meaning: str, all_clear: str, remedy: str
) -> Row:
    from scipy import stats

    gap, root = found.gaps[found.worst], math.sqrt(found.n)
    return Row(
        key,
        title,
        effect=gap,
        null=found.critical,
        z=float(stats.norm.isf(min(max(found.p, P_FLOOR), 1 - P_FLOOR))),
        p=max(found.p, P_FLOOR),
        p_is_bound=found.p < P_FLOOR,
        low=max(0.0, gap - 0.98 / root),
        high=min(1.0, gap + 0.98 / root),
        n_star=found.n_star,
        details={"n": found.n, "directions": len(found.gaps), "gaps": list(found.gaps[:64]), **details},
        meaning=meaning,
        all_clear=all_clear,
        remedy=remedy,
    )


def _combined(p: float, k: int, independent: bool) -> float:
    return -math.expm1(k * math.log1p(-p)) if independent and p < 1 else min(1.0, k * p)


def _level(k: int, independent: bool, level: float = 0.05) -> float:
    return -math.expm1(math.log1p(-level) / k) if independent else level / k
