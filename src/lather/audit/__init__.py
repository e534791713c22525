"""Measuring: do the latents follow the prior, where not, and what does it cost?"""

from __future__ import annotations

from lather.audit.bubbles import Bubbles
from lather.audit.features import Features, RandomConvFeatures, ScaledFeatures, default_features
from lather.audit.gap import Interval, SamplingGap, sampling_gap
from lather.audit.measure import measure_run
from lather.audit.quality import frechet_distance, kernel_distance
from lather.audit.rate import RateBudget, rate_budget
from lather.audit.report import Report
from lather.audit.row import Row, Verdict
from lather.audit.sbc import sbc_rows

__all__ = [
    "Bubbles",
    "Features",
    "Interval",
    "RandomConvFeatures",
    "RateBudget",
    "Report",
    "Row",
    "SamplingGap",
    "ScaledFeatures",
    "Verdict",
    "default_features",
    "frechet_distance",
    "kernel_distance",
    "measure_run",
    "rate_budget",
    "sampling_gap",
    "sbc_rows",
]
