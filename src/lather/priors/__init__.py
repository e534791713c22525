"""Priors: what latents should follow, and what new samples are drawn from."""

from lather.priors.affine import Affine
from lather.priors.aggregate import AggregatePosterior
from lather.priors.ball import BallRadius, BallUniform, UniformBall
from lather.priors.base import Prior
from lather.priors.delegated import DelegatedDistribution
from lather.priors.empirical import Empirical
from lather.priors.flow import FlowPrior
from lather.priors.flow_matching import FlowMatching
from lather.priors.gaussian import Normal
from lather.priors.laplace import LaplacePrior
from lather.priors.mixture import GaussianMixture
from lather.priors.normal import StandardNormal
from lather.priors.registry import LEARNED_PRIORS, PRIORS, make_learned_prior, make_prior
from lather.priors.student import MultivariateT, StudentT
from lather.priors.uniform import SphereUniform, UniformCube, UniformSphere
from lather.priors.vamp import VampPrior

__all__ = [
    "LEARNED_PRIORS",
    "PRIORS",
    "Affine",
    "AggregatePosterior",
    "BallRadius",
    "BallUniform",
    "DelegatedDistribution",
    "Empirical",
    "FlowMatching",
    "FlowPrior",
    "GaussianMixture",
    "LaplacePrior",
    "MultivariateT",
    "Normal",
    "Prior",
    "SphereUniform",
    "StandardNormal",
    "StudentT",
    "UniformBall",
    "UniformCube",
    "UniformSphere",
    "VampPrior",
    "make_learned_prior",
    "make_prior",
]
