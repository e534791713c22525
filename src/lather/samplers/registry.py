"""The samplers by name: what a recipe asks for and the command line offers."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from lather.errors import ConfigError
from lather.priors import Prior
from lather.samplers.flow import fit_flow
from lather.samplers.flow_matching import fit_flow_matching
from lather.samplers.gaussian import fit_gaussian
from lather.samplers.kernel import fit_aggregate
from lather.samplers.mixture import fit_mixture
from lather.samplers.second_stage import fit_second_stage

__all__ = ["SAMPLERS", "find_sampler"]


def _ten(z: Tensor, *, seed: int = 0) -> Prior:
    """:func:`fit_mixture` with ten components and full covariances, or with as much of that as ``z`` can tell."""
    n, d = z.shape
    full = n >= 2 * (d + 1)
    components = min(10, max(n // (d + 1 if full else 2), 1))
    return fit_mixture(z, components, "full" if full else "diag", seed=seed)


def _aggregate(z: Tensor, *, seed: int = 0) -> Prior:
    """:func:`fit_aggregate` of points."""
    return fit_aggregate(z, seed=seed)[0]


#: name -> (one line on it, how to fit one to latents (n, d), with ``seed=``)
SAMPLERS: dict[str, tuple[str, Callable[..., Prior]]] = {
    "gaussian": ("one Gaussian with a full covariance", fit_gaussian),
    "mixture": ("ten Gaussians with full covariances, by EM (RAE)", _ten),
    "second-stage": ("a small VAE trained on the latents (two-stage VAE)", fit_second_stage),
    "aggregate": ("a Gaussian around every training latent, of the width that held-out ones like best", _aggregate),
    "flow": ("a neural spline flow (extra `flows`)", fit_flow),
    "flow-matching": ("N(0, I) carried along a learned velocity field", fit_flow_matching),
}


def find_sampler(name: str) -> Callable[..., Prior]:
    """How to fit the sampler called ``name``; :class:`~lather.errors.ConfigError` lists the names for another."""
    if name not in SAMPLERS:
        raise ConfigError(f"no sampler is called {name!r}; there are: {', '.join(SAMPLERS)}")
    return SAMPLERS[name][1]
