"""Likelihoods: how a decoder's raw output is read as a distribution over data."""

from lather.models.likelihoods.base import DataDistribution, Likelihood
from lather.models.likelihoods.bernoulli import Bernoulli
from lather.models.likelihoods.location_scale import Gaussian, Laplace
from lather.models.likelihoods.squared import SquaredError

__all__ = ["Bernoulli", "DataDistribution", "Gaussian", "Laplace", "Likelihood", "SquaredError"]
