"""Posteriors: how an encoder's output is read as a distribution over latents."""

from lather.models.posteriors.base import Posterior
from lather.models.posteriors.distributions import Delta, DiagonalNormal, FullNormal, LatentDistribution
from lather.models.posteriors.flow import FlowLaw, FlowPosterior
from lather.models.posteriors.gaussian import DiagonalGaussian, FullCovariance
from lather.models.posteriors.point import FixedNoise, Point, Sphere
from lather.models.posteriors.spherical import PowerSpherical, PowerSphericalLaw

__all__ = [
    "Delta",
    "DiagonalGaussian",
    "DiagonalNormal",
    "FixedNoise",
    "FlowLaw",
    "FlowPosterior",
    "FullCovariance",
    "FullNormal",
    "LatentDistribution",
    "Point",
    "Posterior",
    "PowerSpherical",
    "PowerSphericalLaw",
    "Sphere",
]
