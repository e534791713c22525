"""The samplers by name: what a recipe asks for and the command line offers."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from lather.errors import ConfigError
from lather.priors import Prior
from lather.samplers.mixture import fit_mixture
from lather.samplers.second_stage import fit_second_stage

__all__ = ["SAMPLERS", "find_sampler"]


def _ten(z: Tensor, *, seed: int = 0) -> Prior:
    """:func:`fit_mixture` with ten components and full covariances, or with as much of that as ``z`` can tell."""
    n, d = z.shape
    full = n >= 2 * (d + 1)
    components = min(10, max(n // (d + 1 if full else 2), 1))
    return fit_mixture(z, components, "full" if full else "diag", seed=seed)


#: name -> (one line on it, how to fit one to latents (n, d), with ``seed=``)
SAMPLERS: dict[str, tuple[str, Callable[..., Prior]]] = {
    "mixture": ("ten Gaussians with full covariances, by EM (RAE)", _ten),
    "second-stage": ("a small VAE trained on the latents (two-stage VAE)", fit_second_stage),
}


def find_sampler(name: str) -> Callable[..., Prior]:
    """How to fit the sampler called ``name``; :class:`~lather.errors.ConfigError` lists the names for another."""
    if name not in SAMPLERS:
        raise ConfigError(f"no sampler is called {name!r}; there are: {', '.join(SAMPLERS)}")
    return SAMPLERS[name][1]
