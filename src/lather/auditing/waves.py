r"""Characteristic functions along fixed directions, from sums over any number of latents.

Along k orthonormal directions v the projections of N(0, I) are independent and N(0, 1). Of n latents the sums of
cos t⟨v, z⟩ and sin t⟨v, z⟩ at fixed nodes t give ψ(t), the characteristic function of each projection, and with it

.. math:: U = \frac1k \sum_v \sum_t w_t
    \Big[\frac{n|ψ_v(t)|² − 1}{n − 1} − 2 e^{−t²/2} \operatorname{Re} ψ_v(t) + e^{−t²}\Big],

which is ``Sliced(EppsPulley(nodes=7, reach=3), directions=v)`` of all n latents: SIGReg's statistic. Its expectation is
0 under N(0, I), for every n. Means of bounded variables are normal for any n that needs this module, with covariance

.. math:: \operatorname{Cov}(\cos sx, \cos tx) = e^{−(s²+t²)/2} (\cosh st − 1), \quad
          \operatorname{Cov}(\sin sx, \sin tx) = e^{−(s²+t²)/2} \sinh st,

so nU + E is a weighted sum of χ² variables whose weights, eigenvalues of a 6 × 6 matrix, are known: p-values need no
simulation, and reach as far down as 10⁸ latents take them.
"""

from __future__ import annotations

import functools
import math

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.chi_squares import ChiSquares
from lather.auditing.row import Row
from lather.divergences.detection import DetectionSize
from lather.divergences.hermite_null import P_FLOOR

__all__ = ["NODES", "REACH", "Waves", "waves_row"]

NODES = 6  #: equally spaced nodes t up to the reach, 0 left out
REACH = 3.0
_GAMMA = 0.5  # of the weight e^−γt²
_STEP = REACH / NODES
_TOGETHER = 2**15  # numbers in a block: what stays in the cache of a core


class Waves:
    """Sums of e^{itx} over values x along k directions, at t = ½, 1, …, 3; mergeable.

    Args:
        k: directions.

    Example:
        >>> waves = Waves(1)
        >>> waves.add(torch.tensor([[0.0, math.pi]], dtype=torch.float64))
        >>> [round(float(x), 6) for x in waves.sums[:2, 0].real]  # 1 + cos π/2, 1 + cos π
        [1.0, 0.0]
    """

    def __init__(self, k: int) -> None:
        self.sums = torch.zeros(NODES, k, dtype=torch.complex128)

    def add(self, x: Float[Tensor, "k m"]) -> None:
        """Take in values along each direction, float64."""
        for block in x.split(max(1, _TOGETHER // len(x)), dim=1):
            angle = block * _STEP
            rotation = torch.complex(angle.cos(), angle.sin())
            power = rotation.clone()
            self.sums[0] += power.sum(1)
            for j in range(1, NODES):
                self.sums[j] += power.mul_(rotation).sum(1)

    def merge(self, other: Waves) -> None:
        """Add what another took in."""
        self.sums += other.sums

    def distances(self, n: int) -> Float[Tensor, "k"]:
        """U along each direction, of the ``n`` values that were taken in."""
        _, weight, target = _grid()
        psi = self.sums / n
        square = (n * psi.abs().square() - 1) / (n - 1)
        return weight @ (square - 2 * target[:, None] * psi.real + target.square()[:, None])

    def error(self, n: int, some: Float[Tensor, "k m"]) -> float:
        """Standard error of the mean of :meth:`distances`, the scatter of single latents read off ``some`` of them.

        It has two parts: what the null itself has, exactly, and what the departure adds, 4 Var g / n with g the
        derivative of U in the law of latents, less what g owes to the noise of ψ.
        """
        t, weight, target = _grid()
        k = len(some)
        away = self.sums / n - target[:, None]  # (nodes, k)
        angle = t[:, None, None] * some
        g = (weight[:, None, None] * (away.real[..., None] * angle.cos() + away.imag[..., None] * angle.sin())).sum(0)
        null = null_law(k).variance / n**2
        return math.sqrt(max(4 * float(g.mean(0).var()) / n - 2 * null, 0.0) + null)


@functools.cache
def null_law(k: int) -> ChiSquares:
    """The law of n U + its mean along k orthonormal directions, for draws from N(0, I)."""
    t, weight, target = _grid()
    product, decay = torch.outer(t, t), torch.outer(target, target)
    scale = torch.outer(weight.sqrt(), weight.sqrt()) * decay
    found = [torch.linalg.eigvalsh(scale * part) for part in (product.cosh() - 1, product.sinh())]
    return ChiSquares(tuple(float(x) / k for x in torch.cat(found).clamp_min(1e-12)), k)


@functools.cache
def _critical(k: int) -> float:
    """What n U stays below 95 times in 100 under N(0, I)."""
    law = null_law(k)
    return law.quantile(0.95) - law.mean


def waves_row(waves: Waves, n: int, some: Float[Tensor, "k m"]) -> Row:
    """Row ``waves``: U of all ``n`` latents, against its exact law for large n.

    n* = n c / U with c the 95% quantile of U under the prior: both fall like 1/n.

    Args:
        waves: sums along orthonormal directions that were chosen without looking at the latents.
        n: latents in them.
        some: a random part of the latents along the same directions, from which the standard error comes.
    """
    each = waves.distances(n)
    k, value = len(each), float(each.mean())
    law = null_law(k)
    p, bound = law.tail(n * value + law.mean)
    critical, error = _critical(k) / n, waves.error(n, some)
    low, high = value - 1.96 * error, value + 1.96 * error

    def size(distance: float) -> float:
        return max(2.0, n * critical / distance) if distance > 0 else math.inf

    nowhere = DetectionSize(math.inf, float(n), math.inf, n)
    return Row(
        "waves",
        "shape along random directions",
        effect=value,
        null=critical,
        z=n * value / math.sqrt(law.variance),
        p=max(p, P_FLOOR),
        p_is_bound=bound or p < P_FLOOR,
        low=low,
        high=high,
        n_star=nowhere if p > 0.05 else DetectionSize(size(value), size(high), size(low), n),
        details={
            "n": n,
            "directions": k,
            "each": each.tolist(),
            "nodes": _grid()[0].tolist(),
            "null_sd": math.sqrt(law.variance) / n,
        },
        meaning="Seen along random directions, all latents together are spread differently from the prior: in place, "
        "width or shape.",
        all_clear="Along random directions, taken together, the latents are spread like the prior.",
        remedy="Add Sliced(EppsPulley()) to the objective, which is this very measure, or sample from what fits the "
        "latents (lather repair).",
    )


@functools.cache
def _grid() -> tuple[Float[Tensor, "m"], Float[Tensor, "m"], Float[Tensor, "m"]]:
    """Nodes t, weights (the trapezoidal rule on both sides of 0) and e^{−t²/2}."""
    t = _STEP * torch.arange(1, NODES + 1, dtype=torch.float64)
    weight = 2 * _STEP * torch.exp(-_GAMMA * t.square())
    weight[-1] /= 2
    return t, weight, torch.exp(-0.5 * t.square())
