"""Two draws for each datum: does every datum keep a region of its own?"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from torch import Tensor

from lather.auditing.row import Row
from lather.divergences.detection import DetectionSize
from lather.divergences.hermite_null import P_FLOOR
from lather.priors.base import Prior

__all__ = ["product_tail", "two_draw_row"]

_TITLE = "two draws for one datum"
_NODES = 2_000


def two_draw_row(first: Float[Tensor, "n d"], second: Float[Tensor, "n d"], prior: Prior) -> Row:
    r"""T = 1/n Σ_i z_i·z_i' for two independent draws z_i, z_i' from the posterior of the same datum.

    E T is the variance between data, summed over dimensions. Where latents know nothing about their datum and follow
    N(0, I), its mean is 0 and its variance exactly d/n; the law of Σ z·z' is that of ‖z‖·N(0, 1), ‖z‖² ~ χ²_{nd}, so
    that p is exact, too. It is the one statistic of samples that sees own bubbles whose union looks like the prior, to
    which every test of single draws is blind. That latents know their datum is what an encoder is for: the row
    describes, and judges nothing.

    Args:
        first, second: draws, in the same order of data.
        prior: N(0, I); for others the row says why not.
    """
    if not prior.standard:
        return Row("two_draw", _TITLE, reason=f"its null law is known for N(0, I), not for {prior!r}")
    n, d = first.shape
    products = (first * second).sum(1)
    effect = float(products.mean())
    p = product_tail(effect * n, n * d)
    error = float(products.std()) / math.sqrt(n)
    unit = math.sqrt(d / n)
    share = effect / float(0.5 * (first.square().sum(1) + second.square().sum(1)).mean())
    own = f"{share:.1%} of their variance lies between data."
    return Row(
        "two_draw",
        _TITLE,
        effect=effect,
        null=1.645 * unit,
        z=effect / unit,
        p=max(p, P_FLOOR),
        p_is_bound=p < P_FLOOR,
        low=effect - 1.96 * error,
        high=effect + 1.96 * error,
        n_star=_detection(effect, error, p, n, d),
        details={"share": share, "n": n},
        meaning=f"Two latents of one datum resemble each other: each datum keeps a region of its own. {own}"
        if p <= 0.05
        else "Two latents of one datum are no more alike than those of different data: latents carry no information.",
        headline=False,
    )


def product_tail(x: float, k: int) -> float:
    """P(Σ u_i v_i > x) for k pairs of independent standard normals: the mean of Φ(−x/r) over r² ~ χ²_k.

    Example:
        >>> round(product_tail(0.0, 5), 6), round(product_tail(1.645 * 1000, 1_000_000), 3)
        (0.5, 0.05)
    """
    from scipy import special, stats

    # nodes evenly in Φ⁻¹ of the probability, far into both tails: for extreme x the rare large r carry the sum
    g = np.linspace(-9.0, 9.0, _NODES)
    weight = np.exp(-(g**2) / 2)
    half = g < 0
    squared = np.where(half, stats.chi2.ppf(special.ndtr(g), k), stats.chi2.isf(special.ndtr(-g), k))
    tail = special.ndtr(-x / np.sqrt(squared))
    return float((weight * tail).sum() / weight.sum())


def _detection(effect: float, error: float, p: float, n: int, d: int) -> DetectionSize:
    """T·√(n*/d) = 1.645."""
    if p > 0.05:
        return DetectionSize(math.inf, float(n), math.inf, n)

    def size(t: float) -> float:
        return max(2.0, d * (1.645 / t) ** 2) if t > 0 else math.inf

    return DetectionSize(size(effect), size(effect + 1.96 * error), size(effect - 1.96 * error), n)
