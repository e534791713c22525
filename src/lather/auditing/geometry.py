"""The shape of the cloud: numbers to look at, beside what N(0, I) shows at the same number of latents."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.row import Row
from lather.priors.base import Prior

__all__ = ["effective_rank", "geometry_rows", "two_nn"]

_NEIGHBOURLY = 2_000  # latents whose nearest neighbours are looked for
_ACTIVE = 0.01
_KEPT = 256


def effective_rank(z: Float[Tensor, "n d"]) -> tuple[float, Float[Tensor, "r"]]:
    """exp of the entropy of the covariance's eigenvalues taken as shares, and the eigenvalues, largest first.

    d for isotropic latents and n ≫ d; 1 where all lie on a line.

    Reference: Roy, Vetterli (2007), The effective rank, EUSIPCO.

    Example:
        >>> z = torch.cat([torch.eye(3), -torch.eye(3)]).double()
        >>> round(effective_rank(z)[0], 6)
        3.0
    """
    values = torch.linalg.svdvals(z - z.mean(0)).square() / max(len(z) - 1, 1)
    shares = values / values.sum()
    return float(torch.exp(-torch.xlogy(shares, shares).sum())), values


def two_nn(z: Float[Tensor, "n d"]) -> float:
    """Dimension from the ratio of the distances to the second and the nearest neighbour: (n − 1)/Σ log(r₂/r₁).

    It is far too low in many dimensions (6000 draws of N(0, I₆₄) read 39), so it is never to be read alone.

    Reference: Facco et al. (2017), Estimating the intrinsic dimension of datasets by a minimal neighborhood
    information, Scientific Reports 7, arXiv:1803.06992.
    """
    square = z.square().sum(1)
    found = []
    for start in range(0, len(z), 500):
        part = slice(start, start + 500)
        distance = square[part, None] + square - 2 * z[part] @ z.T
        rows = torch.arange(len(distance))
        distance[rows, rows + start] = math.inf
        found.append(distance.topk(2, largest=False).values.clamp_min(0))
    near = torch.cat(found)
    kept = near[near[:, 0] > 0]  # duplicates have no nearest distance
    total = float(0.5 * (kept[:, 1] / kept[:, 0]).log().sum()) if len(kept) else 0.0
    return (len(kept) - 1) / total if total > 0 else math.nan


def geometry_rows(
    z: Float[Tensor, "n d"],
    prior: Prior,
    *,
    means: Float[Tensor, "n d"] | None = None,
    generator: torch.Generator | None = None,
) -> list[Row]:
    """Rows ``effective_rank``, ``two_nn`` and ``active_units``, all grey.

    Args:
        z: latents in random order.
        prior: of which as many draws are measured alike.
        means: posterior means; the row of active units needs them.
        generator: source of the draws.
    """
    n, d = z.shape
    draws = prior.sample(min(n, 20_000), generator=generator).detach().cpu().double()
    rank, values = effective_rank(z[:20_000])
    expected, reference = effective_rank(draws)
    shown = _thinned(min(len(values), len(reference)))
    rows = [
        Row(
            "effective_rank",
            "directions in use",
            effect=rank,
            null=expected,
            details={
                "spectrum": values[shown].tolist(),
                "spectrum_of_prior": reference[shown].tolist(),
                "spectrum_ranks": (shown + 1).tolist(),
                "of_prior": expected,
            },
            meaning=f"The latents' variance is spread over about {rank:.1f} of {d} directions; that of as many prior "
            f"draws over {expected:.1f}.",
        )
    ]
    own, other = two_nn(z[:_NEIGHBOURLY]), two_nn(draws[:_NEIGHBOURLY])
    if math.isfinite(own) and math.isfinite(other):
        words = (
            f"Nearest neighbours lie as in about {own:.1f} dimensions; among as many prior draws they read {other:.1f}."
        )
        beside = {"of_prior": other, "n": min(n, _NEIGHBOURLY)}
        rows.append(Row("two_nn", "local dimension", effect=own, null=other, details=beside, meaning=words))
    else:
        reason = "most latents coincide with another, so there are no nearest distances"
        rows.append(Row("two_nn", "local dimension", reason=reason))
    if means is None:
        return [*rows, Row("active_units", "active units", reason="no posterior means were given")]
    spread = means.var(0)
    active = int((spread > _ACTIVE).sum())
    words = f"{active} of {d} dimensions have a posterior mean that differs between data (variance above 0.01)."
    if active < d:
        words += " Many weak dimensions can carry information together without any of them counting."
    details = {"variance_of_mean": spread[:256].tolist()}
    return [*rows, Row("active_units", "active units", effect=float(active), details=details, meaning=words)]


def _thinned(r: int) -> Tensor:
    """Which of r eigenvalues to keep: all, or 256 spread evenly from the first to the last."""
    return torch.linspace(0, r - 1, min(r, _KEPT)).round().long()
