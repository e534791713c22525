"""One Gaussian fitted to latents."""

from __future__ import annotations

import torch
from torch import Tensor

from lather.priors import Normal
from lather.samplers.sample import standardised

__all__ = ["fit_gaussian"]

_RIDGE = 1e-5  # added to the variances of standardised latents, so that no direction has none


def fit_gaussian(z: Tensor, *, seed: int = 0) -> Normal:
    """N(m, S) with the mean and the full covariance of latents ``z``: the repair that corrects two moments.

    With fewer than d + 1 latents the covariance is diagonal. 1e-5 of each variance is added to it.

    Args:
        z: latents of training data, (n, d), n ≥ 2.
        seed: accepted for the sake of the other samplers; nothing here is random.

    Raises:
        ShapeError, DataError: latents that nothing can be fitted to.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> z = torch.randn(4000, 2, generator=g) @ torch.tensor([[2.0, 1.0], [0.0, 1.0]]) + 5
        >>> prior = fit_gaussian(z)
        >>> (prior.scale @ prior.scale.T).round().tolist()
        [[4.0, 2.0], [2.0, 2.0]]
    """
    data = standardised(z, least=2, who="a Gaussian")
    n, d = data.values.shape
    like = z.detach()
    if n <= d:
        return Normal(data.shift.to(like), (data.scale.square() * (1 + _RIDGE)).to(like))
    covariance = data.values.T @ data.values / (n - 1) + _RIDGE * torch.eye(d, dtype=torch.float64)
    return Normal(data.shift.to(like), (covariance * data.scale * data.scale.unsqueeze(1)).to(like))
