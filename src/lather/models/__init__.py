"""Models: networks, posteriors, likelihoods, and the objective algebra that ties them together."""

from lather.models.autoencoder import Autoencoder
from lather.models.capabilities import Parts
from lather.models.description import describe, rebuild
from lather.models.held import Held
from lather.models.kl import PosteriorKL
from lather.models.likelihoods import Bernoulli, Gaussian, Laplace, Likelihood, SquaredError
from lather.models.match import Match
from lather.models.objective import LogTerm, Objective, Term
from lather.models.penalties import DecoderPenalty, LatentNorm
from lather.models.posteriors import DiagonalGaussian, FixedNoise, FullCovariance, Point, Posterior, Sphere
from lather.models.reconstruction import Reconstruction
from lather.models.step import Step

__all__ = [
    "Autoencoder",
    "Bernoulli",
    "DecoderPenalty",
    "DiagonalGaussian",
    "FixedNoise",
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
    "Reconstruction",
    "Sphere",
    "SquaredError",
    "Step",
    "Term",
    "describe",
    "rebuild",
]
