"""Models: networks, posteriors, likelihoods, and the objective algebra that ties them together."""

from lather.models.adversarial import Adversarial, DataCritic
from lather.models.autoencoder import Autoencoder
from lather.models.capabilities import Parts
from lather.models.critics import ConvCritic, Critic, MLPCritic
from lather.models.description import describe, rebuild
from lather.models.held import Held
from lather.models.iwae import IWAE, iwae_bound
from lather.models.kl import PosteriorKL, SplitKL
from lather.models.likelihoods import Bernoulli, Gaussian, Laplace, Likelihood, SquaredError
from lather.models.match import Match
from lather.models.objective import LogTerm, Objective, Term
from lather.models.opponent import Opponent
from lather.models.penalties import DecoderPenalty, LatentNorm
from lather.models.posteriors import (
    DiagonalGaussian,
    FixedNoise,
    FlowPosterior,
    FullCovariance,
    Point,
    Posterior,
    PowerSpherical,
    Sphere,
)
from lather.models.reconstruction import Reconstruction
from lather.models.step import Step

__all__ = [
    "IWAE",
    "Adversarial",
    "Autoencoder",
    "Bernoulli",
    "ConvCritic",
    "Critic",
    "DataCritic",
    "DecoderPenalty",
    "DiagonalGaussian",
    "FixedNoise",
    "FlowPosterior",
    "FullCovariance",
    "Gaussian",
    "Held",
    "Laplace",
    "LatentNorm",
    "Likelihood",
    "LogTerm",
    "MLPCritic",
    "Match",
    "Objective",
    "Opponent",
    "Parts",
    "Point",
    "Posterior",
    "PosteriorKL",
    "PowerSpherical",
    "Reconstruction",
    "Sphere",
    "SplitKL",
    "SquaredError",
    "Step",
    "Term",
    "describe",
    "iwae_bound",
    "rebuild",
]
