"""Models: networks, posteriors, likelihoods, and the objective algebra that ties them together."""

from lather.models.autoencoder import Autoencoder
from lather.models.capabilities import Parts
from lather.models.description import describe, rebuild
from lather.models.held import Held
from lather.models.iwae import IWAE, iwae_bound
from lather.models.kl import PosteriorKL, SplitKL
from lather.models.likelihoods import Bernoulli, Gaussian, Laplace, Likelihood, SquaredError
from lather.models.match import Match
from lather.models.objective import LogTerm, Objective, Term
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
    "Autoencoder",
    "Bernoulli",
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
    "Match",
    "Objective",
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
