"""Measuring: do the latents follow the prior, where not, and what does it cost?"""

from __future__ import annotations

from lather.auditing.bubbles import Bubbles
from lather.auditing.features import Features, RandomConvFeatures, ScaledFeatures, default_features
from lather.auditing.gap import Interval, SamplingGap, sampling_gap
from lather.auditing.measure import measure_latents
from lather.auditing.neighbours import NeighbourScores, coverage_null, neighbour_radii, neighbour_scores
from lather.auditing.quality import frechet_distance, kernel_distance
from lather.auditing.rate import RateBudget, rate_budget
from lather.auditing.report import Report
from lather.auditing.row import Row, Verdict
from lather.auditing.sbc import sbc_rows

__all__ = [
    "Bubbles",
    "Features",
    "Interval",
    "NeighbourScores",
    "RandomConvFeatures",
    "RateBudget",
    "Report",
    "Row",
    "SamplingGap",
    "ScaledFeatures",
    "Verdict",
    "coverage_null",
    "default_features",
    "frechet_distance",
    "kernel_distance",
    "measure_latents",
    "neighbour_radii",
    "neighbour_scores",
    "rate_budget",
    "sampling_gap",
    "sbc_rows",
]
