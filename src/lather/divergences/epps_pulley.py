"""The Epps–Pulley statistic: how far the empirical characteristic function is from that of the prior."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

from lather.divergences.first_order import first_order
from lather.divergences.sliced import SliceStatistic
from lather.errors import ConfigError

__all__ = ["EppsPulley"]

_FEW_NODES = 64  # beyond, empty stretches are closed first


class EppsPulley(SliceStatistic):
    r"""∫ |ψ_n(t) − e^{−t²/2}|² e^{−γt²} dt, ψ_n the characteristic function of the sample.

    Sliced, this is SIGReg; averaged over *all* slices it is 2π times the squared Cramér–Wold distance of the same γ,
    so at moderate batch sizes :class:`~lather.divergences.cramer_wold.CramerWold` gives the same without noise.

    The integral is exact to rounding: the trapezoidal rule converges exponentially, and its step is chosen so that
    even the two samples farthest apart stay within its period, so nothing aliases (a fixed grid of step Δ scores
    samples 2π/Δ apart as if they coincided). Fourteen nodes do for normal data in float32. Where outliers would ask
    for more than 64, empty stretches so wide that nothing is felt across them are closed up to just that width
    first, which changes neither value nor gradient; an outlier at 10⁶ then costs a few dozen nodes, and the worst
    case, n samples all far from each other, O(n) of them. All nodes are powers of one rotation e^{iΔx}: cost O(n) a
    slice and node, memory O(n) a slice.

    Unbiased by default: |ψ_n|² is replaced by (n|ψ_n|² − 1)/(n − 1), which leaves out the pairs i = j; expectation 0
    under the prior, may be slightly negative. Never multiplied by n.

    ``nodes=17, reach=3`` is SIGReg's own quadrature: that many equally spaced nodes over [0, reach], doubled, whatever
    the data. It cuts the integral off at the reach and *aliases*: samples 2π·(nodes − 1)/reach apart (33.5 for
    SIGReg's) score as if they coincided, so an outlier there goes unseen. To reproduce results, and where a fixed cost
    matters more; the pairs i = j are left out exactly as above.

    Sees: mean and covariance. Misses: tails and clusters at training batch sizes; its gradient vanishes under
    collapse. Null: mean 0. Cost: O(n) a slice and node.

    Args:
        gamma: γ of the weight e^{−γt²}, positive; ½ is SIGReg's.
        unbiased: ``False`` gives the V-statistic, the integral as written.
        nodes: ``None`` for the exact integral, or the number of nodes of a fixed grid, t = 0 included, at least 2.
        reach: largest t of the fixed grid.

    Raises:
        ConfigError: γ or reach is not positive, or fewer than 2 nodes.

    References:
        Epps, Pulley (1983), A test for normality based on the empirical characteristic function, Biometrika 70.
        Balestriero, LeCun (2025), LeJEPA (SIGReg), arXiv:2511.08544.

    Example:
        >>> x = torch.zeros(1, 4)
        >>> value = EppsPulley(unbiased=False).against_normal(x)
        >>> exact = math.sqrt(2 * math.pi) - 2 * math.sqrt(math.pi) + math.sqrt(math.pi / 1.5)
        >>> round(float(value), 4) == round(exact, 4)
        True
    """

    def __init__(
        self, gamma: float | int = 0.5, unbiased: bool = True, nodes: int | None = None, reach: float | int = 3.0
    ) -> None:
        super().__init__()
        if not (math.isfinite(gamma) and gamma > 0):
            raise ConfigError(
                f"the Epps–Pulley weight exp(−γt²) needs a finite gamma above 0, got {gamma!r}; ½ is usual"
            )
        if nodes is not None and not (nodes > 1 and math.isfinite(reach) and reach > 0):
            raise ConfigError(
                f"a fixed grid needs nodes ≥ 2 and a finite reach above 0, got nodes={nodes!r}, reach={reach!r}; "
                "17 and 3 are SIGReg's, nodes=None integrates exactly"
            )
        self.gamma = float(gamma)
        self.unbiased = unbiased
        self.nodes = nodes
        self.reach = float(reach)

    def against_normal(self, x: Float[Tensor, "k n"]) -> Float[Tensor, "k"]:
        place, _, t = self._layout(x, None)
        target = torch.exp(-0.5 * t.square()).to(torch.complex128)
        return self._distance(x, place, t, target[None], target.real.square()[None])

    def against_draws(self, x: Float[Tensor, "k n"], y: Float[Tensor, "k m"]) -> Float[Tensor, "k"]:
        place, y, t = self._layout(x, y)
        target = torch.cat([_powers(part, t, _rotation(part, t)) for part in y.split(_rows(y))])
        square = target.abs().square()
        if self.unbiased:
            m = y.shape[1]
            square = (m * square - 1) / (m - 1)
        return self._distance(x, place, t, target, square)

    def _layout(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Where the samples and the draws are put on the line (without gradient), and the nodes for it."""
        if self.nodes is not None:
            step = self.reach / (self.nodes - 1)
            t = step * torch.arange(1, self.nodes, dtype=torch.float64, device=x.device)
            return x.detach(), x.new_zeros(len(x), 1) if y is None else y, t
        reach = 17.5 if x.dtype == torch.float32 else 36.0  # e^{−reach} is negligible in this precision
        others = x.new_zeros(len(x), 1) if y is None else y  # the prior sits at 0
        both, n = torch.cat([x.detach(), others], 1), x.shape[1]
        largest = float(both.abs().max())
        t = self._nodes(largest, reach, x.device)
        if len(t) > _FEW_NODES and math.isfinite(largest):
            # felt are e^{−δ²/4γ} between samples and e^{−x²/(4γ+2)} between a sample and N(0, 1)
            width = math.sqrt(reach * (4 * self.gamma + (2 if y is None else 0)))
            both = _closed_up(both.double(), width)
            both = both - (both[:, n:] if y is None else (both.amax(1, keepdim=True) + both.amin(1, keepdim=True)) / 2)
            t = self._nodes(float(both.abs().max()), reach, x.device)
            if len(t) <= _FEW_NODES:
                both = both.to(x.dtype)  # with more nodes, the powers are taken in float64
        return both[:, :n], both[:, n:], t

    def _nodes(self, largest: float, reach: float, device: torch.device) -> Tensor:
        """Positive nodes t = Δ, 2Δ, … of the trapezoidal rule, float64; ``largest`` bounds |x|."""
        g, r = self.gamma, math.sqrt(reach)
        largest = min(largest, 1e6) if math.isfinite(largest) else 0.0  # beyond, it is only asked whether it is far
        period = max(2 * largest + 2 * r * math.sqrt(g), largest + r * math.sqrt(4 * g + 2), 2 * r * math.sqrt(1 + g))
        step, end = 2 * math.pi / period, math.sqrt(reach / g)
        return step * torch.arange(1, math.ceil(end / step) + 1, dtype=torch.float64, device=device)

    def _distance(self, x: Tensor, place: Tensor, t: Tensor, target: Tensor, square: Tensor) -> Tensor:
        weight = 2 * t[0] * torch.exp(-self.gamma * t.square())
        if self.nodes is not None:
            weight[-1] /= 2  # the end of the trapezoidal rule; at t = 0 all characteristic functions agree
        value: Tensor = _CharacteristicDistance.apply(x, place, t, weight, target, square, self.unbiased)
        return value.to(x.dtype)


def _closed_up(x: Tensor, width: float) -> Tensor:
    """``x`` (k, n) with every stretch between neighbours in a row that is longer than ``width`` cut to ``width``."""
    ordered, order = x.sort(dim=1)
    steps = ordered.diff(dim=1, prepend=ordered[:, :1]).clamp_max(width)
    return torch.empty_like(x).scatter_(1, order, steps.cumsum(1))


def _rows(x: Tensor) -> int:
    """Slices handled at once: a block that stays in the cache of a CPU, all of them on a GPU."""
    return max(1, 32768 // x.shape[1]) if x.device.type == "cpu" else max(1, 2**24 // x.shape[1])


def _rotation(x: Tensor, t: Tensor) -> Tensor:
    """e^{iΔx}."""
    angle = x * t[0].to(x.dtype)
    return torch.complex(angle.cos(), angle.sin())


def _powers(x: Tensor, t: Tensor, rotation: Tensor) -> Tensor:
    """ψ at all nodes, complex128 (k, nodes)."""
    power = rotation.clone()
    psi = [power.mean(1)]
    for _ in range(len(t) - 1):
        power.mul_(rotation)
        psi.append(power.mean(1))
    return torch.stack(psi, 1).to(torch.complex128)


class _CharacteristicDistance(Function):
    """Σ_t w_t (|ψ|² − 2 Re ψ τ̄ + τ²) for each row, with the gradient from Horner's rule in the same rotation.

    ``place`` is ``x``, or ``x`` with clusters shifted as a whole, so that the gradient is the same.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, place: Tensor, t: Tensor, weight: Tensor, target: Tensor, square: Tensor, unbiased: bool
    ) -> Tensor:
        n = x.shape[1]
        grow, drop = (n / (n - 1), 1 / (n - 1)) if unbiased else (1.0, 0.0)
        values, gradients = [], []
        rows = _rows(place)
        for start in range(0, len(x), rows):
            part = place[start : start + rows]
            tau, tau2 = (a if len(a) == 1 else a[start : start + rows] for a in (target, square))
            rotation = _rotation(part, t)
            psi = _powers(part, t, rotation)
            distance = grow * psi.abs().square() - drop - 2 * (psi * tau.conj()).real + tau2
            values.append(distance @ weight)
            if ctx.needs_input_grad[0]:
                a = ((weight * t) * (grow * psi - tau).conj()).to(rotation.dtype)
                total = rotation * a[:, -1:]
                for j in range(len(t) - 2, -1, -1):
                    total.add_(a[:, j : j + 1]).mul_(rotation)
                gradients.append(total.imag * (-2 / n))
        if gradients:
            ctx.save_for_backward(x, torch.cat(gradients).to(x.dtype))
        return torch.cat(values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None, None, None]:
        x, gradient = ctx.saved_tensors
        return first_order(gradient * grad[:, None].to(gradient.dtype), x), None, None, None, None, None, None
