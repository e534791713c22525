"""Divergences between a batch of latents and a prior, one file per method.

Each is a module: ``divergence(z, prior, generator=None)`` is a scalar to differentiate. They add and scale.
"""

from __future__ import annotations

from lather.divergences.algebra import DivergenceSum, Log, Weighted
from lather.divergences.base import Divergence
from lather.divergences.cramer import Cramer
from lather.divergences.cramer_wold import CramerWold
from lather.divergences.detection import DetectionSize
from lather.divergences.detection_size import detection_size
from lather.divergences.distance_cdf import DistanceCDF
from lather.divergences.edf import AndersonDarling, CramerVonMises, KolmogorovSmirnov, Watson
from lather.divergences.energy import Energy
from lather.divergences.epps_pulley import EppsPulley
from lather.divergences.gaussian_fit import GaussianFit
from lather.divergences.henze_zirkler import HenzeZirkler
from lather.divergences.hermite import HermiteLadder
from lather.divergences.kernels import KernelMixture, LaplacianKernel, RationalQuadraticKernel
from lather.divergences.mardia import Mardia
from lather.divergences.max_sliced import MaxSliced
from lather.divergences.mmd import MMD, GaussianKernel, IMQKernel
from lather.divergences.null import NullDistribution
from lather.divergences.radius_cdf import RadiusCDF
from lather.divergences.registry import DIVERGENCES, make_divergence
from lather.divergences.sinkhorn import Sinkhorn
from lather.divergences.sliced import Sliced, SliceStatistic
from lather.divergences.sphere_uniformity import SphereUniformity
from lather.divergences.stein import SteinDiscrepancy
from lather.divergences.wasserstein import Wasserstein1d

__all__ = [
    "DIVERGENCES",
    "MMD",
    "AndersonDarling",
    "Cramer",
    "CramerVonMises",
    "CramerWold",
    "DetectionSize",
    "DistanceCDF",
    "Divergence",
    "DivergenceSum",
    "Energy",
    "EppsPulley",
    "GaussianFit",
    "GaussianKernel",
    "HenzeZirkler",
    "HermiteLadder",
    "IMQKernel",
    "KernelMixture",
    "KolmogorovSmirnov",
    "LaplacianKernel",
    "Log",
    "Mardia",
    "MaxSliced",
    "NullDistribution",
    "RadiusCDF",
    "RationalQuadraticKernel",
    "Sinkhorn",
    "SliceStatistic",
    "Sliced",
    "SphereUniformity",
    "SteinDiscrepancy",
    "Wasserstein1d",
    "Watson",
    "Weighted",
    "detection_size",
    "make_divergence",
]
