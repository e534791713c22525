r"""Exact null moments of the squared distance that a radial kernel puts between n draws from N(0, I) and N(0, I).

With m(x) = E k(x, Y) and M = E k(Y, Y′), the kernel centred under the prior is h(x, y) = k(x, y) − m(x) − m(y) + M. It
averages to 0 in either argument, so its values on two pairs that share a sample are uncorrelated, and

.. math:: \operatorname{Var} U = \frac{2}{n(n-1)} E h², \qquad E h² = E k² − 2 E m² + M²,

.. math:: E V = \frac{k(0) − M}{n}, \qquad \operatorname{Var} V = \frac{2(n-1) E h² + 4 \operatorname{Var} m}{n³}.

k depends on ‖x − y‖² ~ 2 χ²_d and m on ‖x‖² ~ χ²_d, so each average is one integral over a χ_d law.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.kernel_distance import RadialKernel
from lather.divergences.profiles import Profile
from lather.priors.base import Prior

__all__ = ["pair_null_moments"]


def pair_null_moments(kernel: RadialKernel, prior: Prior, n: int, unbiased: bool) -> tuple[float | None, float | None]:
    """Mean and standard deviation for n draws from the prior; ``None`` where not known (priors other than N(0, I))."""
    if not prior.standard:
        return (0.0 if unbiased else None), None
    squared, spread = _centred(kernel, prior.d)
    if unbiased:
        return 0.0, math.sqrt(2 * squared / (n * (n - 1)))
    mean = (kernel.at_zero - kernel.prior_self(prior.d)) / n
    return mean, math.sqrt((2 * (n - 1) * squared + 4 * spread) / n**3)


def _centred(kernel: RadialKernel, d: int) -> tuple[float, float]:
    """E h² and Var m."""
    r2, weight = _chi_squared(d)
    m, _ = kernel.prior_mean(r2, d)
    k = _values(kernel.profile(d), 2 * r2)
    centre = kernel.prior_self(d)
    squared = weight @ k.square() - 2 * (weight @ m.square()) + centre**2
    return max(float(squared), 0.0), max(float(weight @ (m - centre).square()), 0.0)


def _chi_squared(d: int) -> tuple[Float[Tensor, "q"], Float[Tensor, "q"]]:
    """Nodes and weights for averages over χ²_d: Gauss–Legendre in the length, on panels of ½ from 0 on.

    Panels start at 0, far below where the mass is, because narrow kernels weigh the shortest lengths most.
    """
    x, w = np.polynomial.legendre.leggauss(16)
    edges = torch.arange(0.0, math.sqrt(d) + 9, 0.5, dtype=torch.float64)
    r = (edges[:, None] + (torch.from_numpy(x) + 1) / 4).flatten()
    log_density = (d - 1) * r.log() - r.square() / 2
    weight = torch.from_numpy(w).repeat(len(edges)) * (log_density - log_density.max()).exp()
    return r.square(), weight / weight.sum()


def _values(profile: Profile, squared: Float[Tensor, "q"]) -> Float[Tensor, "q"]:
    """f at each squared distance, from a profile made to sum over blocks."""
    found = []
    for element in (profile.offset + profile.scale * squared).tolist():
        block = torch.full((1, 1), element, dtype=torch.float64)
        found.append(profile(block, [torch.empty_like(block) for _ in range(profile.spare)], False).reshape(()))
    return torch.stack(found)
