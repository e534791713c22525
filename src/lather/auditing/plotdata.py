"""The numbers behind the plots: small arrays that go into ``report.npz``, and the words that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lather.auditing.inputs import affordable
from lather.priors.base import Prior

__all__ = ["PlotData", "map_data", "picture_data", "radius_data"]

PlotData = tuple[dict[str, Any], dict[str, NDArray[Any]]]  #: words (JSON-ready) and arrays, by name

_POINTS = 4_000
_SAMPLES, _PAIRS = 64, 32


def map_data(
    z: Float[Tensor, "n d"],
    prior: Prior,
    labels: Tensor | None,
    label_names: Sequence[str],
    generator: torch.Generator | None,
) -> PlotData:
    """Latents in a plane: as they are for d = 2, else projected on two orthonormal directions.

    With labels these are the directions along which the classes differ most (leading eigenvectors of the
    covariance of the class means), otherwise those of largest variance. Either way a projection of N(0, I) is
    N(0, I₂). One dimension is drawn against the order of the samples, which means nothing.

    Args:
        z: latents in random order; the first 4000 are kept.
        prior: its draws are projected alike, unless it is N(0, I).
        labels: classes (n,) or ``None``; those below 0 are unknown.
        label_names: names of the classes.
        generator: source of prior draws.
    """
    n, d = z.shape
    known = labels is not None and bool((labels >= 0).any())
    if d == 1:
        basis, titles = torch.eye(1, dtype=z.dtype), ["z₁", "sample (order means nothing)"]
    elif d == 2:
        basis, titles = torch.eye(2, dtype=z.dtype), ["z₁", "z₂"]
    else:
        basis, titles = _plane(z, labels if known else None)
    points = (z[:_POINTS] @ basis).float()
    if d == 1:
        points = torch.cat([points, torch.linspace(-1, 1, len(points))[:, None]], dim=1)
    arrays: dict[str, NDArray[Any]] = {"map_points": points.numpy()}
    words: dict[str, Any] = {"map_axes": titles, "map_circles": prior.standard and d > 1, "map_count": n}
    if labels is not None and known:
        arrays["map_labels"] = labels[:_POINTS].to(torch.int64).numpy()
        words["map_classes"] = [str(name) for name in label_names]
    if not prior.standard and d > 1:
        draws = prior.sample(affordable(prior.d), generator=generator).detach().cpu().double()
        arrays["map_prior"] = (draws @ basis).float().numpy()
    return words, arrays


def _plane(z: Tensor, labels: Tensor | None) -> tuple[Tensor, list[str]]:
    centred = z - z.mean(0)
    total = centred.square().sum()
    if labels is not None and len(labels[labels >= 0].unique()) >= 3:
        classes = labels[labels >= 0].unique()
        means = torch.stack([z[labels == c].mean(0) for c in classes])
        vectors = torch.linalg.svd(means - means.mean(0), full_matrices=False).Vh[:2].T
        what = "direction {} in which classes differ most ({:.0%} of all variance)"
    elif len(z) < z.shape[1]:  # the smaller of the two Gram matrices
        vectors = torch.nn.functional.normalize(
            centred.T @ torch.linalg.eigh(centred @ centred.T).eigenvectors[:, [-1, -2]], dim=0
        )
        what = "direction {} of largest variance ({:.0%} of all variance)"
    else:
        vectors = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, [-1, -2]]
        what = "direction {} of largest variance ({:.0%} of all variance)"
    shares = ((centred @ vectors).square().sum(0) / total).tolist()
    return vectors, [what.format(i + 1, share) for i, share in enumerate(shares)]


def radius_data(z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> PlotData:
    """‖z‖ of the latents, and the density of ‖z‖ under the prior on a grid of 200 radii."""
    norms = z.square().sum(1).sqrt()[:20_000].float().numpy()
    law = prior.squared_radius()
    draws = (
        prior.sample(affordable(prior.d), generator=generator).detach().cpu().double().square().sum(1).sqrt().numpy()
    )
    low, high = float(draws.min()), float(draws.max())
    if high - low < 1e-5 * high:
        return {"radius_fixed": high}, {"radius": norms}
    margin = 0.1 * (high - low)
    grid = np.linspace(max(low - margin, 1e-6 * high), high + margin, 200)
    if law is not None:
        squared = torch.from_numpy(grid**2).to(prior.like)
        density = 2 * grid * law.log_prob(squared).exp().detach().cpu().double().numpy()
    else:
        from scipy.stats import gaussian_kde

        density = gaussian_kde(draws[:5000])(grid)
    return {}, {"radius": norms, "radius_grid": grid, "radius_density": density}


def picture_data(data: Tensor, reconstructions: Tensor, samples: Tensor) -> PlotData:
    """What to show of data (m, *shape), their reconstructions, and generated samples of the same shape.

    Images (m, 1 or 3, h, w) become bytes, [0, 1] spread over 0 … 255 and clipped; anything else stays numbers.
    """
    if data.ndim == 4 and data.shape[1] in (1, 3):
        return {"pictures": "images"}, {
            "originals": _bytes(data[:_PAIRS]),
            "reconstructions": _bytes(reconstructions[:_PAIRS]),
            "samples": _bytes(samples[:_SAMPLES]),
        }
    named = {"originals": data, "reconstructions": reconstructions, "samples": samples}
    return {"pictures": "columns"}, {name: x.flatten(1).float().numpy() for name, x in named.items()}


def _bytes(images: Tensor) -> NDArray[np.uint8]:
    return (images.float().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
