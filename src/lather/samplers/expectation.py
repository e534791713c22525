"""Expectation maximisation for mixtures of full-covariance Gaussians, as matrix products."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Components", "Products", "expectation_maximisation"]

_ROWS = 2_048  # whose pairwise products are held at a time
_KEPT = 2**28  # bytes of products that are kept from round to round, which halves the time of small mixtures
_ENOUGH = 1e-3  # nats a latent that a round must gain for another one


class Products:
    """Rows x as (x xᵀ, x, 1), block by block: kept if that takes at most 256 MiB, else made anew each time."""

    def __init__(self, x: Float[Tensor, "n d"]) -> None:
        self.x, d = x, x.shape[1]
        width = d * (d + 3) // 2 + 1
        keep = len(x) * width * x.element_size() <= _KEPT
        self._blocks = [_features(part) for part in x.split(_ROWS)] if keep else None

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._blocks) if self._blocks is not None else (_features(part) for part in self.x.split(_ROWS))


@dataclass(frozen=True)
class Components:
    """A mixture, and the mean log-likelihood of what it was fitted to."""

    weights: Float[Tensor, "k"]
    means: Float[Tensor, "k d"]
    covariances: Float[Tensor, "k d d"]
    log_likelihood: float

    def score(self, x: Float[Tensor, "n d"]) -> float:
        """Mean log density at the rows of ``x``, nats."""
        table = _table(self.weights, self.means, self.covariances)
        return sum(float((_features(part) @ table).logsumexp(1).sum()) for part in x.split(_ROWS)) / len(x)


def expectation_maximisation(products: Products, k: int, *, ridge: float, iterations: int, seed: int) -> Components:
    """A local maximum of the likelihood of rows x, from k-means.

    log N(x; μ, Σ) is linear in (x xᵀ, x, 1), so that all n k densities are one matrix product with a column of
    d(d + 3)/2 + 1 numbers for each component, and so are the sums of the other step. For rows of mean 0 and
    variance 1; the products are in their dtype.

    Args:
        products: of standardised latents.
        k: components.
        ridge: added to every variance.
        iterations: at most so many rounds.
        seed: of the start.
    """
    x = products.x
    resp = _start(x, k, seed)
    before = -math.inf
    for _ in range(iterations):
        sums = torch.zeros(k, x.shape[1] * (x.shape[1] + 3) // 2 + 1, dtype=torch.float64)
        for share, block in zip(resp.split(_ROWS), products, strict=True):
            sums += share.T @ block
        weights, means, covariances = _moments(sums, x.shape[1], ridge)
        table = _table(weights, means, covariances).to(x)
        parts, total = [], 0.0
        for block in products:
            logits = block @ table
            mass = logits.logsumexp(1, keepdim=True)
            total += float(mass.sum())
            parts.append((logits - mass).exp())
        resp, now = torch.cat(parts), total / len(x)
        if now - before < _ENOUGH:
            break
        before = now
    return Components(weights, means, covariances, now)


def _start(x: Tensor, k: int, seed: int) -> Float[Tensor, "n k"]:
    from sklearn.cluster import KMeans

    found = KMeans(k, n_init=1, max_iter=20, random_state=seed % 2**32).fit(x.numpy()).labels_
    return torch.nn.functional.one_hot(torch.from_numpy(found).long(), k).to(x)


def _features(x: Float[Tensor, "n d"]) -> Float[Tensor, "n f"]:
    """Products x_i x_j for i ≤ j, then x, then 1."""
    rows, columns = torch.triu_indices(x.shape[1], x.shape[1])
    return torch.cat([x[:, rows] * x[:, columns], x, torch.ones_like(x[:, :1])], 1)


def _moments(sums: Tensor, d: int, ridge: float) -> tuple[Tensor, Tensor, Tensor]:
    counts = sums[:, -1].clamp_min(1e-6)
    means = sums[:, -1 - d : -1] / counts[:, None]
    rows, columns = torch.triu_indices(d, d)
    second = sums.new_zeros(len(sums), d, d)
    second[:, rows, columns] = second[:, columns, rows] = sums[:, : -1 - d] / counts[:, None]
    covariances = second - means[:, :, None] * means[:, None, :]
    # what rounding left below the ridge is lifted to it, so that every component stays proper
    values, axes = torch.linalg.eigh(covariances)
    covariances = (axes * (values.clamp_min(0) + ridge).unsqueeze(1)) @ axes.mT
    return counts / counts.sum(), means, covariances


def _table(weights: Tensor, means: Tensor, covariances: Tensor) -> Float[Tensor, "f k"]:
    """The columns that :func:`_features` meets: log weight + log density, in float64."""
    d = means.shape[1]
    precision = torch.linalg.inv(covariances)
    rows, columns = torch.triu_indices(d, d)
    square = -precision[:, rows, columns] * torch.where(rows == columns, 0.5, 1.0).to(precision)
    linear = (precision @ means[:, :, None])[:, :, 0]
    constant = weights.log() - 0.5 * (
        (linear * means).sum(1) + torch.linalg.slogdet(covariances).logabsdet + d * math.log(2 * math.pi)
    )
    return torch.cat([square, linear, constant[:, None]], 1).T
