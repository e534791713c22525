"""The samplers by name: what a recipe asks for and the command line offers."""

from __future__ import annotations

from collections.abc import Callable

from lather.errors import ConfigError
from lather.priors import Prior
from lather.samplers.mixture import fit_mixture
from lather.samplers.second_stage import fit_second_stage

__all__ = ["SAMPLERS", "find_sampler"]

#: name -> (one line on it, how to fit one to latents (n, d), with ``seed=``)
SAMPLERS: dict[str, tuple[str, Callable[..., Prior]]] = {
    "mixture": ("ten Gaussians with full covariances, by EM (RAE)", fit_mixture),
    "second-stage": ("a small VAE trained on the latents (two-stage VAE)", fit_second_stage),
}


def find_sampler(name: str) -> Callable[..., Prior]:
    """How to fit the sampler called ``name``; :class:`~lather.errors.ConfigError` lists the names for another."""
    if name not in SAMPLERS:
        raise ConfigError(f"no sampler is called {name!r}; there are: {', '.join(SAMPLERS)}")
    return SAMPLERS[name][1]
