"""Priors: what latents should follow, and what new samples are drawn from."""

from lather.priors.base import Prior
from lather.priors.mixture import GaussianMixture
from lather.priors.normal import StandardNormal
from lather.priors.registry import PRIORS, make_prior
from lather.priors.uniform import SphereUniform, UniformCube, UniformSphere

__all__ = [
    "PRIORS",
    "GaussianMixture",
    "Prior",
    "SphereUniform",
    "StandardNormal",
    "UniformCube",
    "UniformSphere",
    "make_prior",
]
