"""The divergences by name: what the command line offers, the documentation lists and the contract tests run over."""

from __future__ import annotations

import math
from collections.abc import Callable

from lather.divergences.base import Divergence
from lather.divergences.cramer import Cramer
from lather.divergences.cramer_wold import CramerWold
from lather.divergences.distance_cdf import DistanceCDF
from lather.divergences.edf import AndersonDarling, CramerVonMises, KolmogorovSmirnov, Watson
from lather.divergences.energy import Energy
from lather.divergences.epps_pulley import EppsPulley
from lather.divergences.gaussian_fit import GaussianFit
from lather.divergences.henze_zirkler import HenzeZirkler
from lather.divergences.hermite import HermiteLadder
from lather.divergences.kernels import LaplacianKernel, RationalQuadraticKernel
from lather.divergences.mardia import Mardia
from lather.divergences.max_sliced import MaxSliced
from lather.divergences.mmd import MMD, GaussianKernel, IMQKernel
from lather.divergences.radius_cdf import RadiusCDF
from lather.divergences.sinkhorn import Sinkhorn
from lather.divergences.sliced import Sliced
from lather.divergences.sphere_uniformity import SphereUniformity
from lather.divergences.stein import SteinDiscrepancy
from lather.divergences.wasserstein import Wasserstein1d
from lather.errors import ConfigError

__all__ = ["DIVERGENCES", "make_divergence"]

#: name -> (one line on it, how to make one for d latent dimensions)
DIVERGENCES: dict[str, tuple[str, Callable[[int], Divergence]]] = {
    "mmd-imq": ("MMD with the inverse multiquadric kernel (WAE)", lambda d: MMD(IMQKernel())),
    "mmd-gaussian": ("MMD with a Gaussian kernel of bandwidth √d", lambda d: MMD(GaussianKernel(math.sqrt(d)))),
    "mmd-laplacian": ("MMD with a Laplacian kernel of bandwidth √d", lambda d: MMD(LaplacianKernel(math.sqrt(d)))),
    "mmd-rational": (
        "MMD with a rational quadratic kernel of bandwidth √d",
        lambda d: MMD(RationalQuadraticKernel(bandwidth=math.sqrt(d))),
    ),
    "energy": ("energy distance: no bandwidth, a gradient everywhere", lambda d: Energy()),
    "cramer-wold": ("Cramér–Wold distance: all slices in closed form (CWAE)", lambda d: CramerWold()),
    "sliced-wasserstein": ("W₂² of 256 random slices (SWAE)", lambda d: Sliced(Wasserstein1d())),
    "sliced-epps-pulley": ("Epps–Pulley of 256 random slices (SIGReg)", lambda d: Sliced(EppsPulley())),
    "sliced-epps-pulley-17": ("the same on SIGReg's fixed grid of 17 nodes", lambda d: Sliced(EppsPulley(nodes=17))),
    "sliced-cramer": ("Cramér distance of 256 random slices: energy in linear time", lambda d: Sliced(Cramer())),
    "sliced-cramer-von-mises": ("Cramér–von Mises of 256 random slices", lambda d: Sliced(CramerVonMises())),
    "sliced-watson": ("Watson's U² of 256 random slices", lambda d: Sliced(Watson())),
    "sliced-anderson-darling": ("Anderson–Darling of 256 random slices", lambda d: Sliced(AndersonDarling())),
    "sliced-kolmogorov-smirnov": ("Kolmogorov–Smirnov of 256 random slices", lambda d: Sliced(KolmogorovSmirnov())),
    "max-sliced-wasserstein": (
        "W₂² in the worst direction, by ascent; biased",
        lambda d: MaxSliced(Wasserstein1d()),
    ),
    "radius-cdf": ("radii against their law (half of Duda's Gaussian AE)", lambda d: RadiusCDF()),
    "distance-cdf": ("pair distances against their law (the other half)", lambda d: DistanceCDF()),
    "sinkhorn": (
        "Sinkhorn divergence from as many prior draws at a blur of ½√d; biased",
        lambda d: Sinkhorn(blur=0.5 * math.sqrt(d)),
    ),
    "stein": ("kernel Stein discrepancy, inverse multiquadric kernel", lambda d: SteinDiscrepancy()),
    "gaussian-fit": ("W₂² of the fitted Gaussian: mean and covariance alone, biased", lambda d: GaussianFit()),
    "mardia": ("skewness and kurtosis, whatever mean and covariance", lambda d: Mardia()),
    "henze-zirkler": ("Gaussian MMD at Henze and Zirkler's bandwidth (BHEP)", lambda d: HenzeZirkler()),
    "sphere-uniformity": ("uniformity on the sphere (contrastive learning)", lambda d: SphereUniformity()),
    "hermite-ladder": ("mean, covariance, lopsidedness and tails against N(0, I)", lambda d: HermiteLadder(order=4)),
}


def make_divergence(name: str, d: int) -> Divergence:
    """The divergence called ``name``, with its defaults for ``d`` latent dimensions.

    Raises:
        ConfigError: there is none of that name; the message lists them.

    Example:
        >>> make_divergence("mmd-gaussian", 16)
        MMD(kernel=GaussianKernel(bandwidth=4.0))
    """
    if name not in DIVERGENCES:
        raise ConfigError(f"no divergence is called {name!r}; there are: {', '.join(DIVERGENCES)}")
    return DIVERGENCES[name][1](d)
