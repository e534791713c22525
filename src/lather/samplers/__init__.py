"""Samplers: priors that are fitted to the latents of a trained model, to draw from instead of the prior it had."""

from lather.samplers.flow import fit_flow
from lather.samplers.flow_matching import fit_flow_matching
from lather.samplers.gaussian import fit_gaussian
from lather.samplers.kernel import Bandwidth, fit_aggregate
from lather.samplers.mixture import fit_mixture
from lather.samplers.mixture_size import MixtureSize, choose_mixture
from lather.samplers.registry import SAMPLERS
from lather.samplers.second_stage import SecondStage, fit_second_stage

__all__ = [
    "SAMPLERS",
    "Bandwidth",
    "MixtureSize",
    "SecondStage",
    "choose_mixture",
    "fit_aggregate",
    "fit_flow",
    "fit_flow_matching",
    "fit_gaussian",
    "fit_mixture",
    "fit_second_stage",
]
