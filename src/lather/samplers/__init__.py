"""Samplers: priors that are fitted to the latents of a trained model, to draw from instead of the prior it had."""

from lather.samplers.mixture import fit_mixture
from lather.samplers.registry import SAMPLERS
from lather.samplers.second_stage import SecondStage, fit_second_stage

__all__ = ["SAMPLERS", "SecondStage", "fit_mixture", "fit_second_stage"]
