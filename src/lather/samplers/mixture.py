"""A mixture of Gaussians fitted to latents."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from lather.errors import ConfigError
from lather.priors import GaussianMixture
from lather.samplers.sample import Standardised, standardised

__all__ = ["RIDGE", "em", "fit_mixture"]

RIDGE = 1e-5  # added to the variances of standardised latents, so that no component shrinks onto one of them
_SIZES = (1, 2, 5, 10, 20, 50)  # that components=None chooses from


def fit_mixture(
    z: Tensor,
    components: int | None = 10,
    covariance: str = "full",
    *,
    seed: int = 0,
    iterations: int = 200,
) -> GaussianMixture:
    r"""Σ_k w_k N(μ_k, Σ_k) of greatest likelihood for latents ``z``, by expectation maximisation from k-means.

    It is what a regularised autoencoder is sampled from, and it repairs any other whose latents are not the prior.
    Ten components with full covariances are those of the RAE paper. EM finds a local maximum; it is scikit-learn's,
    run on standardised latents in float64 with 1e-5 added to each variance. Cost O(n k d²) an iteration.

    Reference: Ghosh, Sajjadi, Vergari, Black, Schölkopf, *From Variational to Deterministic Autoencoders*, 2020,
    arXiv:1903.12436.

    Args:
        z: latents of training data, (n, d).
        components: k, or ``None`` for the one of 1, 2, 5, 10, 20, 50 (as far as the data reach) that gives a tenth of
            the latents, held out from its fit, the greatest likelihood; it is then fitted to all.
        covariance: ``"full"`` or ``"diag"``.
        seed: of the start.
        iterations: at most so many rounds of EM; stopping there costs little.

    Returns:
        The mixture, in the dtype and on the device of ``z``.

    Raises:
        ConfigError: components or covariance out of range.
        ShapeError, DataError: latents that nothing can be fitted to.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> z = torch.cat([torch.randn(500, 2, generator=g) - 4, torch.randn(500, 2, generator=g) + 4])
        >>> fit_mixture(z, components=2).means.sort(0).values.round().tolist()
        [[-4.0, -4.0], [4.0, 4.0]]
    """
    if covariance not in ("full", "diag"):
        raise ConfigError(f"a fitted mixture has covariance 'full' or 'diag', got {covariance!r}")
    if components is not None and components < 1:
        raise ConfigError(f"a fitted mixture needs at least 1 component, got {components}; None chooses")
    each = z.shape[1] + 1 if covariance == "full" and z.ndim == 2 else 2
    data = standardised(z, least=each * (components or 1), who="a mixture")
    x = data.values.numpy()
    if components is None:
        held = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed)).numpy()
        out, rest = held[: max(len(x) // 10, 1)], held[max(len(x) // 10, 1) :]
        sizes = [k for k in _SIZES if each * k <= len(rest)]
        scores = {k: float(em(x[rest], k, covariance, seed, iterations).score(x[out])) for k in sizes}
        components = max(scores, key=lambda k: scores[k])
    return _as_prior(em(x, components, covariance, seed, iterations), data, z)


def _as_prior(found: Any, data: Standardised, like: Tensor) -> GaussianMixture:
    """What EM found on standardised latents, on their own scale, in the dtype and on the device of ``like``."""
    means = (data.shift + data.scale * torch.from_numpy(found.means_)).to(like)
    spread, weights = torch.from_numpy(found.covariances_), torch.from_numpy(found.weights_).to(like)
    if found.covariance_type == "diag":
        return GaussianMixture(means, (spread.sqrt() * data.scale).to(like), weights=weights)
    covariances = spread * data.scale * data.scale.unsqueeze(-1)
    return GaussianMixture(means, covariances=covariances.to(like), weights=weights)


def em(x: Any, k: int, covariance: str, seed: int, iterations: int) -> Any:
    """scikit-learn's mixture of ``k`` components, fitted to ``x`` (n, d)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture as Engine

    engine = Engine(k, covariance_type=covariance, reg_covar=RIDGE, max_iter=iterations, random_state=seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return engine.fit(x)
