r"""The Hermite ladder: mean, covariance, skewness and kurtosis against N(0, I), one exact number each.

Any law q on R^d with a density against p = N(0, I) has Hermite moments; those of degree k form a tensor whose
squared norm Δ_k says how much of χ²(q‖p) = Σ_k Δ_k sits at that degree. The kernel

    K_k(x, y) = Σ_{|α|=k} h_α(x) h_α(y),    h_α the orthonormal Hermite polynomials,

turns Δ_k = E K_k(x, x') into a mean over pairs, with s = ⟨x, y⟩ and a = ‖x‖² + ‖y‖²:

    K₁ = s                                    how far the mean is from 0
    K₂ = ½ (s² − a + d)                       how far the covariance is from I
    K₃ = s³/6 − ½ s (a − d − 2)               skewness
    K₄ = s⁴/24 − s²a/4 + a²/8 + s² − a/2 + ¼ d (s² − a) + d (d + 2)/8      kurtosis, tails

Under the prior the unbiased estimate U_k (mean over pairs i ≠ j) has mean 0 and variance 2·C(d+k−1, k)/(n(n−1)),
exactly, for every n and d, n < d included. It needs one pass over the Gram matrix, never held whole.

Relatives: K. V. Mardia, Measures of multivariate skewness and kurtosis with applications, Biometrika 57 (1970);
J. A. Koziol, On assessing multivariate normality, JRSS B 45 (1983), for the simple null hypothesis.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.base import Divergence
from lather.divergences.first_order import first_order
from lather.errors import CapabilityError, ConfigError, ShapeError
from lather.priors.base import Prior

__all__ = ["ORDERS", "HermiteLadder", "HermiteSums", "hermite_ladder", "null_sd"]

ORDERS = (1, 2, 3, 4)
_BLOCK = 256  # 256 × 256 float64 is half a MiB: a block and its powers stay in cache


@dataclass(frozen=True)
class HermiteSums:
    """The ladder of one sample, in float64.

    Args:
        n, d: samples and dimensions.
        effects: U_1 … U_4, unbiased estimates of Δ_k; at the prior they scatter around 0, so may be negative.
        errors: standard errors of the U_k, from the scatter of their per-sample means (never below the null's).
    """

    n: int
    d: int
    effects: tuple[float, float, float, float]
    errors: tuple[float, float, float, float]

    def null_sd(self, k: int) -> float:
        """Standard deviation of U_k for n true prior samples, exact."""
        return null_sd(self.n, self.d, k)

    def z(self, k: int) -> float:
        """U_k in null standard deviations."""
        return self.effects[k - 1] / self.null_sd(k)

    def size(self, k: int) -> float:
        """sqrt(max(U_k, 0)): the effect on the scale of the moments themselves (a distance, not its square)."""
        return max(self.effects[k - 1], 0.0) ** 0.5


def null_sd(n: int, d: int, k: int) -> float:
    """sqrt(2·C(d+k−1, k) / (n(n−1))).

    Example:
        >>> round(null_sd(1000, 8, 2), 5)
        0.00849
    """
    return float((2 * comb(d + k - 1, k) / (n * (n - 1))) ** 0.5)


def hermite_ladder(z: Float[Tensor, "n d"], *, block: int = _BLOCK) -> HermiteSums:
    """U_1 … U_4 of latents ``z`` against N(0, I), with standard errors, from one pass over the Gram matrix.

    Cost: n²/2 pairs (about ½ s for n = 10 000, d = 16 on one core), memory O(n·d + block²), float64 throughout.

    Raises:
        ShapeError: not an (n, d) matrix with n ≥ 2.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> sums = hermite_ladder(1.2 * torch.randn(500, 4, generator=g))
        >>> sums.z(2) > 10 > abs(sums.z(1))
        True
    """
    if z.ndim != 2 or len(z) < 2 or z.shape[1] < 1:
        raise ShapeError(
            f"the ladder needs latents of shape (n, d) with n ≥ 2 and d ≥ 1, got {tuple(z.shape)}; flatten spatial "
            "latents with z.flatten(1)"
        )
    z = z.detach()
    z = (z.cpu() if z.device.type == "mps" else z).to(torch.float64)
    n, d = z.shape
    rows = _row_sums(z, block)
    means = rows / (n - 1)
    effects = means.mean(1).tolist()
    spread = means.var(1).tolist() if n > 2 else [0.0] * 4
    # Hoeffding: var U ≈ 4 ζ₁/n + null variance, and the rows' variance is ζ₁ + n/2 · null variance
    floor = [null_sd(n, d, k) ** 2 for k in ORDERS]
    errors = [max(4 * s / n - v, v) ** 0.5 for s, v in zip(spread, floor, strict=True)]
    return HermiteSums(n, d, tuple(effects), tuple(errors))


def _row_sums(z: Tensor, block: int) -> Tensor:
    """Σ_{j≠i} K_k(z_i, z_j) for k = 1 … 4, (4, n): the pairs are only asked for sums of powers of ⟨z_i, z_j⟩."""
    n, d = z.shape
    r = z.square().sum(1)
    weights = torch.stack([torch.ones_like(r), r], 1)
    one = z @ (z.T @ weights) - torch.stack([r, r.square()], 1)  # Σ s and Σ s r_j
    two = torch.zeros_like(one)  # Σ s² and Σ s² r_j
    three, four = torch.zeros_like(r), torch.zeros_like(r)  # Σ s³ and Σ s⁴
    work = z.new_empty(3, block * block)
    for i in range(0, n, block):
        x = z[i : i + block]
        for j in range(i, n, block):
            y = z[j : j + block]
            s, s2, s3 = (part[: len(x) * len(y)].view(len(x), len(y)) for part in work)
            torch.mm(x, y.T, out=s)
            if i == j:
                s.fill_diagonal_(0.0)
            torch.mul(s, s, out=s2)
            torch.mul(s2, s, out=s3)
            s4 = torch.mul(s2, s2, out=s)
            two[i : i + block].addmm_(s2, weights[j : j + block])
            three[i : i + block] += s3.sum(1)
            four[i : i + block] += s4.sum(1)
            if i != j:
                two[j : j + block].addmm_(s2.T, weights[i : i + block])
                three[j : j + block] += s3.sum(0)
                four[j : j + block] += s4.sum(0)
    others = n - 1
    a = others * r + r.sum() - r  # Σ (r_i + r_j)
    a2 = others * r.square() + 2 * r * (r.sum() - r) + r.square().sum() - r.square()
    return torch.stack(
        [
            one[:, 0],
            (two[:, 0] - a + others * d) / 2,
            three / 6 - (r * one[:, 0] + one[:, 1] - (d + 2) * one[:, 0]) / 2,
            four / 24
            - (r * two[:, 0] + two[:, 1]) / 4
            + a2 / 8
            + two[:, 0]
            - a / 2
            + d / 4 * (two[:, 0] - a)
            + others * d * (d + 2) / 8,
        ]
    )


class HermiteLadder(Divergence):
    r"""Σ_{k ≤ order} of the squared norms of the Hermite moments of degree k: a partial sum of χ²(q‖N(0, I)).

    order = 1 sees the mean, 2 the covariance as well, 3 skewness, 4 kurtosis. Unbiased: expectation 0 at the
    prior, standard deviation sqrt(Σ_k 2·C(d+k−1, k) / (n(n−1))); not scaled by n. Beyond order 2 its gradient
    grows like the cube of an outlier's radius: for latents that start far out, train with order 2 first.

    Cost: O(n·d²) for order ≤ 2 with d ≤ n, otherwise O(n²·d); memory O(n·d + block²).

    Sees: mean, covariance, skewness, kurtosis, each up to its order. Misses: shapes whose moments up to that order
    are normal. Null: mean 0, variance exact at every n and d. Cost: O(n d²) for order ≤ 2 and d ≤ n, else O(n² d).

    Args:
        order: highest degree, 1 to 4.
        unbiased: mean over pairs i ≠ j; ``False`` takes all n² pairs (non-negative, and biased upwards).

    Raises:
        ConfigError: ``order`` is not 1, 2, 3 or 4.

    Example:
        >>> from lather.priors.normal import StandardNormal
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
        >>> HermiteLadder(order=1)(z, StandardNormal(2))  # ⟨x, y⟩ = 0
        tensor(0.)
    """

    summary: ClassVar[str] = "Hermite moments up to degree k: mean, covariance, skewness, kurtosis; exact null"

    def __init__(self, order: int = 2, *, unbiased: bool = True) -> None:
        super().__init__()
        if order not in ORDERS:
            raise ConfigError(f"HermiteLadder goes up to order 1, 2, 3 or 4, got order={order!r}")
        self.order = order
        self.unbiased = unbiased

    def check(self, prior: Prior) -> None:
        if not prior.standard:
            raise CapabilityError(
                f"HermiteLadder is made of the polynomials orthogonal under N(0, I) and cannot be compared with "
                f"{prior!r}; use StandardNormal, or MMD, Energy or Sliced(...), which take any prior"
            )

    def needs(self, prior: Prior) -> str:
        return "closed form"

    def null_moments(self, prior: Prior, n: int) -> tuple[float | None, float | None]:
        moments = sum(comb(prior.d + k - 1, k) for k in ORDERS[: self.order])  # E K(x, x), and E K(x, y)²
        return (0.0, (2 * moments / (n * (n - 1))) ** 0.5) if self.unbiased else (moments / n, None)

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        n, d = z.shape
        wide = z.to(torch.float32 if z.device.type == "mps" else torch.float64)
        diagonal = torch.stack(_diagonal(wide.square().sum(1), d, self.order)).sum()  # Σ_i K(z_i, z_i)
        if self.order <= 2 and d <= n:
            total = wide.sum(0).square().sum()
            if self.order == 2:
                total = total + (wide.T @ wide - n * torch.eye(d).to(wide)).square().sum() / 2
            off = total - diagonal
        else:
            off = _PairSum.apply(z, self.order).to(wide)
        value = off / (n * (n - 1)) if self.unbiased else (off + diagonal) / (n * n)
        return value.to(z.dtype)


def _kernels(x: Tensor, y: Tensor, rx: Tensor, ry: Tensor, order: int) -> list[Tensor]:
    """K_1 … K_order between the rows of ``x`` (m, d) and ``y`` (l, d); ``rx``, ``ry`` their squared norms."""
    d = x.shape[1]
    s = x @ y.T
    out = [s]
    if order > 1:
        a, s2 = rx[:, None] + ry, s.square()
        out.append((s2 - a + d) / 2)
    if order > 2:
        out.append(s * (s2 / 6 - (a - (d + 2)) / 2))
    if order > 3:
        out.append(s2 * (s2 / 24 - a / 4 + (1 + d / 4)) + a * (a / 8 - (2 + d) / 4) + d * (d + 2) / 8)
    return out


def _diagonal(r: Tensor, d: int, order: int) -> list[Tensor]:
    """K_1(x, x) … K_order(x, x) from squared norms ``r`` (n,)."""
    out = [
        r,
        (r.square() - 2 * r + d) / 2,
        r * (r.square() / 6 - r + (d + 2) / 2),
        r.square() * (r.square() / 24 - r / 2 + (1 + d / 4)) + r * (r / 2 - (2 + d) / 2) + d * (d + 2) / 8,
    ]
    return out[:order]


class _PairSum(torch.autograd.Function):
    """Σ_{i≠j} Σ_{k≤order} K_k(z_i, z_j), its gradient made in the same pass over blocks.

    With f = ΣK as a function of (s, a): ∂/∂z_i = 2 Σ_{j≠i} (f_s z_j + 2 f_a z_i).
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, order: int) -> Tensor:
        n, norms = len(z), z.square().sum(1)
        total = torch.zeros((), dtype=torch.float64, device="cpu" if z.device.type == "mps" else z.device)
        gradient = torch.zeros_like(z)
        for i in range(0, n, _BLOCK):
            x, rx = z[i : i + _BLOCK], norms[i : i + _BLOCK]
            for j in range(0, n, _BLOCK):
                y, ry = z[j : j + _BLOCK], norms[j : j + _BLOCK]
                value = torch.stack(
                    [k.sum(1).to(total).sum() for k in (_off(k, i == j) for k in _kernels(x, y, rx, ry, order))]
                )
                total += value.sum()
                along_s, along_a = (_off(k, i == j) for k in _slopes(x, y, rx, ry, order))
                gradient[i : i + _BLOCK] += 2 * (along_s @ y + 2 * along_a.sum(1, keepdim=True) * x)
        ctx.save_for_backward(z, gradient)
        return total if z.device.type != "mps" else total.to(z)

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor, None]:
        z, gradient = ctx.saved_tensors
        return first_order(grad[0].to(gradient) * gradient, z), None


def _slopes(x: Tensor, y: Tensor, rx: Tensor, ry: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """Derivatives of Σ_{k≤order} K_k in s = ⟨x, y⟩ and in a = ‖x‖² + ‖y‖², each (m, l)."""
    d = x.shape[1]
    s = x @ y.T
    a = rx[:, None] + ry
    along_s, along_a = torch.ones_like(s), torch.zeros_like(s)
    if order > 1:
        along_s, along_a = along_s + s, along_a - 0.5
    if order > 2:
        along_s, along_a = along_s + s.square() / 2 - (a - (d + 2)) / 2, along_a - s / 2
    if order > 3:
        along_s = along_s + s * (s.square() / 6 - a / 2 + (2 + d / 2))
        along_a = along_a - s.square() / 4 + a / 4 - (2 + d) / 4
    return along_s, along_a


def _off(kernel: Tensor, diagonal: bool) -> Tensor:
    return kernel.fill_diagonal_(0.0) if diagonal else kernel
