"""How good a set of images is, as a distance between its features and those of real ones."""

from __future__ import annotations

import torch
from torch import Tensor

from lather.errors import ShapeError

__all__ = ["fitted_gaussian", "frechet_distance", "gaussian_distance", "kernel_distance", "kernel_within"]


def frechet_distance(a: Tensor, b: Tensor) -> float:
    r"""‖μ_a − μ_b‖² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½): the squared W₂ distance of two fitted Gaussians.

    With centred data A = Q_a R_a and B = Q_b R_b the last trace is the sum of the singular values of R_a R_bᵀ,
    computed in float64: no covariance is formed or rooted, so it is accurate and non-negative also where f > n
    or features are constant. It is biased upwards by about the same amount for all samples of one size: compare
    only at equal n, and beside its value between two real samples.

    Reference: Dowson, Landau, *The Fréchet distance between multivariate normal distributions*, 1982; Heusel,
    Ramsauer, Unterthiner, Nessler, Hochreiter, *GANs Trained by a Two Time-Scale Update Rule Converge to a Local
    Nash Equilibrium*, 2017, arXiv:1706.08500.

    Args:
        a, b: features (n, f) and (m, f), one sample a row; n, m ≥ 2.

    Raises:
        ShapeError: fewer than two samples, or different numbers of features.

    Example:
        >>> a = torch.tensor([[0.0, 0.0], [2.0, 2.0]])
        >>> round(frechet_distance(a, a + 3), 6)
        18.0
    """
    _check(a, b)
    return gaussian_distance(fitted_gaussian(a), fitted_gaussian(b))


def fitted_gaussian(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (f,) of a sample (n, f) and a matrix R with RᵀR its covariance, in float64."""
    x = x.double()
    mean = x.mean(0)
    return mean, torch.linalg.qr(x - mean, mode="r").R / (len(x) - 1) ** 0.5


def gaussian_distance(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> float:
    """:func:`frechet_distance` of two samples from their :func:`fitted_gaussian`, for those compared more than once."""
    (mean_a, root_a), (mean_b, root_b) = a, b
    cross = torch.linalg.svdvals(root_a @ root_b.T).sum()
    distance = (mean_a - mean_b).square().sum() + root_a.square().sum() + root_b.square().sum() - 2 * cross
    return max(float(distance), 0.0)


def kernel_distance(a: Tensor, b: Tensor, *, within: float | None = None) -> float:
    r"""Kernel inception distance: unbiased MMD² with the kernel (⟨x, y⟩/f + 1)³.

    Expectation 0 for two samples of one law at every size, so it may come out slightly negative.

    Reference: Bińkowski, Sutherland, Arbel, Gretton, *Demystifying MMD GANs*, 2018, arXiv:1801.01401.

    Args:
        a, b: features (n, f) and (m, f), one sample a row; n, m ≥ 2.
        within: :func:`kernel_within` of ``b``, where it is known.

    Raises:
        ShapeError: fewer than two samples, or different numbers of features.
    """
    _check(a, b)
    a, b = a.double(), b.double()
    return (
        kernel_within(a) + (kernel_within(b) if within is None else within) - 2 * _kernel_sum(a, b) / (len(a) * len(b))
    )


def kernel_within(x: Tensor) -> float:
    """Mean kernel of two different samples of ``x`` (n, f), n ≥ 2."""
    x, n = x.double(), len(x)
    return (_kernel_sum(x, x) - _diagonal_sum(x)) / (n * (n - 1))


def _kernel_sum(x: Tensor, y: Tensor) -> float:
    return sum(float((rows @ y.T / x.shape[1] + 1).pow(3).sum()) for rows in x.split(512))


def _diagonal_sum(x: Tensor) -> float:
    return float((x.square().mean(1) + 1).pow(3).sum())


def _check(a: Tensor, b: Tensor) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ShapeError(
            f"two samples of features (n, f) and (m, f) with n, m ≥ 2 are compared, got {tuple(a.shape)} and "
            f"{tuple(b.shape)}; features must come from the same function"
        )
