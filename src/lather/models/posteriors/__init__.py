"""Posteriors: how an encoder's output is read as a distribution over latents."""

from lather.models.posteriors.base import Posterior
from lather.models.posteriors.distributions import Delta, DiagonalNormal, FullNormal, LatentDistribution
from lather.models.posteriors.gaussian import DiagonalGaussian, FullCovariance
from lather.models.posteriors.point import FixedNoise, Point, Sphere

__all__ = [
    "Delta",
    "DiagonalGaussian",
    "DiagonalNormal",
    "FixedNoise",
    "FullCovariance",
    "FullNormal",
    "LatentDistribution",
    "Point",
    "Posterior",
    "Sphere",
]
